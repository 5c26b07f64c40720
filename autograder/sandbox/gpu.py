"""GPUs for student code: which there are, who shares one, what walls leave open for it.

The grader and the zygote never touch one: they ask NVIDIA's own tool. Only `claim`
makes a CUDA context, in the jailed fork, before a cell has run.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONTEXT_MB = (
    700  # what a process takes of a GPU beside its tensors; measured nowhere here
)
ASK_SECONDS = 20
QUERY = "--query-gpu=index,uuid,memory.free"
FOLDERS = ("/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib")
NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm*", "nvidia-caps/*")
# What the driver's library reads before it finds a GPU: its own facts, where the cards
# are, and the process's maps. Read-only, and for sessions with a GPU alone.
FACTS = (
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/sys/bus/pci/devices",
    "/sys/devices/pci*",
    "/sys/devices/system/node",
    "/sys/module/nvidia*",
)
FOUND, NONE = "gpu", "cpu"


@dataclass(frozen=True)
class Gpu:
    """A GPU by the name under which CUDA shows it alone, and what is free on it."""

    id: str
    free_mb: float


def found(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Returns the GPUs that this process may use; none where the driver is missing.

    Args:
        environment: CUDA_VISIBLE_DEVICES in it narrows them, by number or by name.
    """
    tool = shutil.which("nvidia-smi") or shutil.which(
        "nvidia-smi", path="/usr/local/nvidia/bin:/usr/lib/wsl/lib"
    )
    if tool is None:
        return []
    command = [tool, QUERY, "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return read(told.stdout, visible) if told.returncode == 0 else []


def read(table: str, visible: str | None = None) -> list[Gpu]:
    """Returns the GPUs of nvidia-smi's table that CUDA_VISIBLE_DEVICES leaves."""
    allowed = None if visible is None else [v.strip() for v in visible.split(",")]
    gpus = []
    for line in table.splitlines():
        number, _, rest = line.partition(",")
        id, _, free = (part.strip() for part in rest.partition(","))
        try:
            free_mb = float(free)
        except ValueError:  # a message, or "[N/A]" where the card does not say
            continue
        named = [a for a in allowed or () if a and id.startswith(a)]
        if allowed is None or number.strip() in allowed or named:
            gpus.append(Gpu(id, free_mb))
    return gpus


def places(gpus: Sequence[Gpu], memory_mb: float, most: int) -> list[str]:
    """Returns a GPU's name for every worker that may run at once, the cards in turn.

    Args:
        gpus: what there is.
        memory_mb: what each worker may take for its tensors.
        most: workers on one GPU, however large it is.
    """
    room = {g.id: min(most, int(g.free_mb // (memory_mb + CONTEXT_MB))) for g in gpus}
    return [id for turn in range(most) for id in room if turn < room[id]]


def driver_folders(environment: Mapping[str, str]) -> list[str]:
    """Returns where the driver's library lies, beside the system's own folders."""
    listed = environment.get("LD_LIBRARY_PATH", "").split(":")
    every = dict.fromkeys(p for p in [*listed, *FOLDERS] if os.path.isabs(p))
    return [p for p in every if glob.glob(f"{glob.escape(p)}/libcuda.so*")]


def of_zygote(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns what a zygote's environment needs, whose forks use a GPU.

    The loader reads this path at a program's start, and so too early for the fork.
    """
    folders = driver_folders(environment)
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


def of_fork(id: str | None) -> dict[str, str]:
    """Returns a fork's environment: one GPU and no other, or none."""
    if id is None:
        return {"CUDA_VISIBLE_DEVICES": "-1"}
    return {
        "CUDA_VISIBLE_DEVICES": id,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUDA_CACHE_DISABLE": "1",  # its folder would be gone with the fork
        # No program can be started in there, ptxas neither: the driver compiles.
        "XLA_FLAGS": "--xla_gpu_unsafe_fallback_to_driver_on_ptxas_not_found=true",
    }


def nodes() -> list[str]:
    """Returns the device files by which the driver is spoken to."""
    return sorted(p for name in NODES for p in glob.glob(f"/dev/{name}"))


def facts() -> list[str]:
    """Returns the files and folders that the driver's library reads."""
    return [*_folders, *(p for name in FACTS for p in sorted(glob.glob(name)))]


def touched() -> bool:
    """Has this process opened a GPU? Then a fork of it could not use one."""
    return any(_target(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd"))


def _target(link: str) -> bool:
    try:
        return os.readlink(link).startswith("/dev/nvidia")
    except OSError:
        return False


# Taken in the zygote: a fork's environment is empty when it asks.
_folders = driver_folders(os.environ)


def claim(memory_mb: float) -> str:
    """Takes the GPU that this fork sees, and so much of its memory; no more is had.

    The limit holds from the first tensor on: the runtime is started here, and
    TensorFlow then refuses to change it.

    Returns:
        `gpu`, or `cpu` where TensorFlow sees none.

    Raises:
        Exception: whatever TensorFlow raises where the driver fails.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(memory_mb))
        tf.config.set_logical_device_configuration(gpu, [limit])
    return FOUND if gpus and tf.config.list_logical_devices("GPU") else NONE
