"""What can be asked: exercises, their checks, and the probes that a check puts.

Everything here is data. A probe travels to the process that runs a student's code,
so it holds JSON values and arrays and nothing that could be called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

PUBLIC_SEED = 20170612  # the day "Attention is all you need" reached arXiv


@dataclass(frozen=True)
class Probe:
    """One question to a student's object."""

    id: str
    """Unique within its exercise, such as `values/cross`."""
    action: str
    """The name of the function in `answering.ACTIONS` that puts the question."""
    spec: dict[str, Any]
    """The action's arguments: JSON values with NumPy arrays as leaves."""
    compare: str = "reference"
    """How the judge reads the answer: a name in `judging.COMPARISONS`."""
    tolerance: float | None = None
    """Overrides the tolerance of the device and dtype, where a probe needs its own."""
    facts: tuple[str, ...] = ()
    """Facts of the answer that must equal the reference's."""


@dataclass(frozen=True)
class Check:
    """One property worth points: every one of its probes must be answered rightly."""

    id: str
    title: str
    """A few words for tables and the notebook: `values under given weights`."""
    points: float
    probes: tuple[Probe, ...] = ()
    requires: tuple[str, ...] = ()
    """Checks of the same exercise that must have passed; otherwise this is skipped."""
    message: str = ""
    """What it means to fail, in the student's language, ending in what to look at."""


@dataclass(frozen=True)
class Exercise:
    """A thing to write: one or more named objects, or an answer in words."""

    id: str
    names: tuple[str, ...]
    """The objects looked up in the notebook, by name. Empty for a manual exercise."""
    title: str
    checks: tuple[Check, ...] = ()
    hints: tuple[str, ...] = ()
    """Shown one at a time, on demand."""
    manual_points: float = 0.0
    forbidden: tuple[str, ...] = ()
    """Ready-made parts that the exercise asks to build, as dotted names."""
    reused: bool = True
    """Are later exercises of the assignment built on it? Then its mistakes are looked
    for there too."""
    ready_made: Literal["zero", "flag"] = "zero"
    """What their use costs: all points of the exercise, or nothing until a person
    decides. Either way it is flagged."""

    @property
    def manual(self) -> bool:
        return not self.names

    @property
    def points(self) -> float:
        return self.manual_points + sum(check.points for check in self.checks)

    @property
    def probes(self) -> list[Probe]:
        return [probe for check in self.checks for probe in check.probes]


@dataclass
class Draw:
    """Sizes and arrays drawn from a seed.

    `RandomState` is used on purpose: its stream is frozen across NumPy's versions
    (NEP 19), so a seed means the same question on Colab and on the grader's machine.
    """

    seed: int
    topic: str
    random: np.random.RandomState = field(init=False)

    def __post_init__(self):
        digest = hashlib.sha256(f"{self.seed}/{self.topic}".encode()).digest()
        self.random = np.random.RandomState(np.frombuffer(digest, "<u4"))

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * self.random.standard_normal(shape)).astype("float32")

    def sizes(
        self, count: int, low: int = 2, high: int = 12, avoid: Iterable[int] = ()
    ) -> list[int]:
        """Returns `count` sizes in `[low, high]`, all different, none in `avoid`."""
        pool = np.setdiff1d(np.arange(low, high + 1), list(avoid))
        return [int(n) for n in self.random.permutation(pool)[:count]]

    def integer(self, low: int, high: int) -> int:
        """Returns an integer in `[low, high]`."""
        return int(self.random.randint(low, high + 1))

    def mask(self, *shape: int) -> np.ndarray:
        """Returns a boolean mask in which each row keeps a key and hides a key.

        Rows of a single key keep it.
        """
        mask = self.random.random_sample(shape) < 0.6
        keep = self.random.randint(0, shape[-1], shape[:-1])
        if shape[-1] > 1:
            shift = self.random.randint(1, shape[-1], shape[:-1])
            hide = (keep + shift) % shape[-1]
            np.put_along_axis(mask, hide[..., None], False, axis=-1)
        np.put_along_axis(mask, keep[..., None], True, axis=-1)
        return mask
