"""GPUs: who gets a place, what the walls leave open for it, and what is done without.

Without a GPU the driver's own part cannot run: the tests marked `gpu` are for one.
"""

import errno
import os
import queue
import resource
import subprocess
import sys
import types
from pathlib import Path

import pytest

from autograder.course import Limits
from autograder.sandbox import gpu, ladder, landlock
from autograder.sandbox.host import Sandbox, SessionLost

TABLE = """0, GPU-aaaa-1, 15000
1, GPU-bbbb-2, 3000
2, GPU-cccc-3, [N/A]
nothing of a table
"""
TOOL = """#!/bin/sh
[ "$1" = "{query}" ] || exit 3
printf '0, GPU-aaaa-1, 15000\\n'
"""


@pytest.mark.parametrize(
    "visible, due",
    [
        (None, ["GPU-aaaa-1", "GPU-bbbb-2"]),
        ("1", ["GPU-bbbb-2"]),
        ("GPU-aaaa", ["GPU-aaaa-1"]),
        ("1,GPU-aaaa-1", ["GPU-aaaa-1", "GPU-bbbb-2"]),
        ("-1", []),
        ("", []),
    ],
)
def test_the_drivers_table_is_read(visible, due):
    assert [g.id for g in gpu.read(TABLE, visible)] == due


def test_its_own_tool_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.found({}) == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(TOOL.format(query=gpu.QUERY))
    tool.chmod(0o755)
    assert gpu.found({}) == [gpu.Gpu("GPU-aaaa-1", 15000.0)]
    assert gpu.found({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert gpu.found({}) == []


@pytest.mark.parametrize(
    "free, memory, most, due",
    [
        ([16000], 1000, 4, "aaaa"),
        ([3500], 1000, 4, "aa"),
        ([1000], 1000, 4, ""),
        ([16000, 3500], 1000, 3, "ababa"),
        ([], 1000, 4, ""),
    ],
)
def test_places_are_bounded_by_memory_and_number(free, memory, most, due):
    gpus = [gpu.Gpu(name, mb) for name, mb in zip("ab", free, strict=False)]
    assert "".join(gpu.places(gpus, memory, most)) == due


@pytest.mark.parametrize("gpus", [1, 0])
def test_memory_is_bounded_before_the_first_tensor(monkeypatch, gpus):
    told = []
    config = types.SimpleNamespace(
        list_physical_devices=lambda kind: ["card"] * gpus,
        LogicalDeviceConfiguration=lambda memory_limit: memory_limit,
        set_logical_device_configuration=lambda *given: told.append(given),
        list_logical_devices=lambda kind: told.append("started") or ["logical"],
    )
    module = types.SimpleNamespace(config=config)
    monkeypatch.setitem(sys.modules, "tensorflow", module)
    assert gpu.claim(512.5) == ("gpu" if gpus else "cpu")
    assert told == ([("card", [512]), "started"] if gpus else [])


def test_only_the_fork_sees_a_gpu_and_one_alone(tmp_path):
    (tmp_path / "libcuda.so.1").touch()
    path = f"relative:/nowhere:{tmp_path}:"
    assert gpu.of_zygote({"LD_LIBRARY_PATH": path})["LD_LIBRARY_PATH"].startswith(
        str(tmp_path)
    )
    assert gpu.of_fork("GPU-a")["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    assert gpu.of_fork(None) == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_a_zygote_that_opened_a_gpu_is_noticed(monkeypatch):
    assert not gpu.touched()
    monkeypatch.setattr(gpu.os, "readlink", lambda link: "/dev/nvidia0")
    assert gpu.touched()


# --- sessions -----------------------------------------------------------------------


@pytest.fixture
def placed(sandbox, monkeypatch):
    """The sandbox as on a machine with one GPU that has two places."""
    places = queue.Queue()
    for _ in range(2):
        places.put("GPU-a")
    monkeypatch.setattr(sandbox, "device", "gpu")
    monkeypatch.setattr(sandbox, "_places", places)
    monkeypatch.setattr(sandbox, "no_gpu", "")
    monkeypatch.setattr("autograder.sandbox.host.PLACE_SECONDS", 0.05)
    return sandbox


NO_COMMAND = str(errno.ENOTTY)
LOOK = """
import fcntl, os, resource
ours, theirs = os.pipe()
def command(number):
    try:
        fcntl.ioctl(ours, number, 0)
    except OSError as error:
        return error.errno
print(os.environ["CUDA_VISIBLE_DEVICES"], resource.getrlimit(resource.RLIMIT_AS)[0])
print(*map(command, (0xC0384601, 5, 0x30000001, 0x5412, 0x8904)))
"""


def look(session):
    (told,) = session.run([{"id": "x", "source": LOOK, "seconds": 20}])
    assert told["error"] is None, told
    return told["stdout"].split()


def claims(answer):
    def claim(session):
        session.device = answer["device"]
        return answer

    return claim


def test_a_place_is_held_while_a_session_lasts(placed, monkeypatch):
    claim = claims({"device": "gpu", "message": ""})
    monkeypatch.setattr("autograder.sandbox.host.Session.claim", claim)
    with placed.session() as first, placed.session() as second:
        with placed.session() as third:  # the CPU is as good
            assert [s.device for s in (first, second, third)] == ["gpu", "gpu", "cpu"]
            visible, addresses, *commands = look(third)
            assert visible == "-1" and int(addresses) > 0
            assert NO_COMMAND not in commands
        visible, addresses, *commands = look(first)
        assert visible == "GPU-a"
        assert int(addresses) == resource.getrlimit(resource.RLIMIT_AS)[1]
        # The filter let the driver's through, though a pipe does not know them.
        assert [told == NO_COMMAND for told in commands] == [True] * 3 + [False] * 2
    assert placed._places.qsize() == 2
    with placed.session() as again:
        assert again.device == "gpu"
    with placed.on_cpu().session() as other:
        assert other.device == "cpu" and placed._places.qsize() == 2


def test_without_a_gpu_in_the_jail_it_is_the_cpu(placed):
    """The whole way, with the real driver's part: TensorFlow sees none here."""
    if gpu.nodes():
        pytest.skip("there is a GPU here")
    with placed.session() as session:
        assert session.device == "cpu" and look(session)[0] == "-1"
    assert placed.no_gpu == "TensorFlow sees none in the jail"
    assert placed._places.qsize() == 2


def test_a_driver_that_ends_the_process_costs_nothing(placed, monkeypatch):
    def crash(session):
        raise SessionLost("crashed", "The process ended itself (exit code 1).")

    monkeypatch.setattr("autograder.sandbox.host.Session.claim", crash)
    with placed.session() as session:
        assert session.device == "cpu"
    assert "ended itself" in placed.no_gpu and placed._places.qsize() == 2


DRIVEN = """
import fcntl, sys
from autograder.sandbox import kernel, landlock
kernel.control(kernel.PR_SET_NO_NEW_PRIVS, 1)
landlock.restrict(["/dev"], [], sys.argv[1:])
with open("/dev/zero") as file:
    fcntl.ioctl(file, 0x4601, 0)
"""


@pytest.mark.skipif(landlock.version() < 5, reason="Landlock leaves commands alone")
@pytest.mark.parametrize("driven, due", [([], "13"), (["/dev/zero"], "25")])
def test_landlock_lets_named_devices_be_driven(driven, due):
    done = subprocess.run(
        [sys.executable, "-c", DRIVEN, *driven],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"[Errno {due}]" in done.stderr


@pytest.mark.slow
def test_walls_opened_for_a_gpu_stop_all_else(sandbox):
    """The canaries, under the plan of a session with a GPU."""
    from dataclasses import replace

    plan = replace(sandbox.plan, gpu=True)
    with ladder._bait() as facts:
        left = ladder._canaries(
            lambda plan: sandbox._open(plan, sandbox.limits), plan, facts
        )
    assert sorted(left) == sandbox.holes


# --- on a GPU -----------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.slow
def test_on_a_gpu(monkeypatch):
    if not gpu.nodes():
        pytest.skip("no GPU here")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    limits = Limits(gpu_memory_mb=512, gpu_workers=2)
    with Sandbox(limits, device="gpu") as sandbox:
        assert sandbox.device == "gpu", sandbox.no_gpu
        handles = Path(f"/proc/{sandbox._process.pid}/fd").iterdir()
        assert not any("nvidia" in os.readlink(handle) for handle in handles)
        code = (
            "import tensorflow as tf\nx = tf.ones((64, 64)) @ tf.ones((64, 64))\n"
            "assert 'GPU' in x.device, x.device\n"
            "try:\n    tf.zeros((1 << 28,))\nexcept tf.errors.ResourceExhaustedError:\n"
            "    print('bounded')\n"
        )
        with sandbox.session() as session:
            (told,) = session.run([{"id": "x", "source": code, "seconds": 60}])
    assert told["error"] is None and told["stdout"] == "bounded\n", told
