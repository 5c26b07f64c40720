"""Where a submission's time goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autograder.course import Limits
from autograder.sandbox.host import Sandbox, Session


@dataclass(frozen=True)
class Span:
    """One thing that took a while."""

    phase: str
    """`start` of a process, its `cells`, or `questions` put to it."""
    what: str
    seconds: float


class Timed:
    """A sandbox whose sessions note how long everything takes."""

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.spans = sandbox, []
        self._devices: set[str] = set()

    def session(self, limits: Limits) -> TimedSession:
        """As `Sandbox.session`."""
        with self.noted("start", "a process"):
            session = self.sandbox.session(limits)
        self._devices.add(getattr(session, "device", "cpu"))
        return TimedSession(session, self)

    @property
    def device(self) -> str:
        """`gpu` where every session had one."""
        return "gpu" if self._devices == {"gpu"} else "cpu"

    @contextlib.contextmanager
    def noted(self, phase: str, what: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.spans.append(Span(phase, what, time.monotonic() - start))

    def phases(self, seconds: float) -> dict[str, float]:
        """Returns the seconds by phase; what is left of `seconds` is judging."""
        told = {"start": 0.0, "cells": 0.0, "questions": 0.0}
        for span in self.spans:
            told[span.phase] += span.seconds
        told["judging"] = max(seconds - sum(told.values()), 0.0)
        return {phase: round(spent, 3) for phase, spent in told.items()}


class TimedSession:
    """A session, or one on a cluster, with a clock beside it."""

    def __init__(self, session: Session, timed: Timed):
        self._session, self._timed = session, timed

    def __enter__(self) -> TimedSession:
        return self

    def __exit__(self, *exception) -> None:
        self._session.let_go()

    def run(self, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As `Session.run`."""
        with self._timed.noted("cells", ", ".join(cell["id"] for cell in cells)):
            return self._session.run(cells)

    def ask(self, probe: dict[str, Any], seconds: float) -> Any:
        """As `Session.ask`."""
        names = ", ".join(probe.get("names", ()))
        with self._timed.noted("questions", f"{names}: {probe['id']}"):
            return self._session.ask(probe, seconds)
