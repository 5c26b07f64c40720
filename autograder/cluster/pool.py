"""The grader's side of a Dask cluster: it looks like one sandbox.

Source: Dask distributed's documentation, “Worker plugins” and “Client”.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import CancelledError
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from distributed import Client
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from autograder import records
from autograder.cluster.worker import Zygote, facts, fingerprint, step
from autograder.course import CourseError, Limits
from autograder.safe import one_line
from autograder.sandbox.host import SessionLost

PATIENCE = 60  # seconds that an answer may be late, or no worker be there
LOOK = 2.0  # seconds between two looks at who lives
GONE = "Its worker was lost; grade it again."
FAULTS = (
    KilledWorker,
    CancelledError,
    FutureCancelledError,
    CommClosedError,
    OSError,
)


class Cluster:
    """Runs student code on a cluster's workers; has the face of `Sandbox`.

    Args:
        address: the scheduler's, such as `tcp://10.0.0.1:8786`.
        limits: what a submission may use.
        minimum: as for `Sandbox`; every worker must have it.

    Raises:
        CourseError: there is no such scheduler, no worker, or they differ.
    """

    def __init__(self, address: str, limits: Limits, *, minimum: str | None = None):
        self.limits = limits
        try:
            self.client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CourseError(
                f"No Dask scheduler answers at {address}; start one with `dask "
                "scheduler` and give the address that it prints."
            ) from error
        try:
            self._begin(address, minimum)
        except BaseException:
            self.close()
            raise
        self._lock, self._busy = threading.Lock(), Counter()
        self._freed = threading.Event()
        self._alive, self._looked = self._slots(), time.monotonic()

    def _begin(self, address: str, minimum: str | None) -> None:
        with contextlib.suppress(TimeoutError):
            self.client.wait_for_workers(1, timeout=20)
        if not self.client.nthreads():
            raise CourseError(
                f"The scheduler at {address} has no workers; start some with `dask "
                f"worker {address} --nthreads 1`."
            )
        plugin = Zygote(asdict(self.limits), minimum)
        try:
            self.client.register_plugin(plugin)
        except Exception as error:  # whatever a worker raised there
            raise CourseError(
                f"A worker cannot run student code: {one_line(error)}"
            ) from error
        self.plugin = plugin.name
        found = self.client.run(facts, self.plugin)
        self._agreed = next(iter(found.values()))
        self._refuse_others([{"code": fingerprint()}, *found.values()])
        self.isolation = self._agreed["isolation"]
        self.environment = self._agreed["environment"]
        self._fits = dict.fromkeys(found, True)

    def _refuse_others(self, found: list[dict[str, Any]]) -> None:
        """Raises where workers differ from each other, or from this machine."""
        for name in ("code", "isolation", "environment"):
            kinds = {str(told[name]) for told in found if name in told}
            if len(kinds) > 1:
                raise CourseError(
                    f"The workers do not agree in {name} ({'; '.join(sorted(kinds))});"
                    " install the same versions everywhere."
                )

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the cluster; its workers go on."""
        self.client.close(timeout=10)

    @property
    def jobs(self) -> int:
        """How many submissions the workers take at once."""
        return max(sum(self._slots().values()), 1)

    def session(self, limits: Limits | None = None) -> Elsewhere:
        """Begins a session on the worker that is least busy."""
        place = self._place()
        try:
            return Elsewhere(self, place, limits or self.limits)
        except BaseException:
            self.free(place)
            raise

    def _place(self) -> str:
        """Waits for a worker with a free thread.

        Behind another session's endless question, on a worker that is left alone, a
        student's own would run out of time.
        """
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            alive = self.alive()
            with self._lock:
                free = [a for a in alive if self._busy[a] < alive[a]]
                if free:
                    place = min(free, key=lambda a: self._busy[a] / alive[a])
                    self._busy[place] += 1
                    return place
            if alive:  # what is at work there comes to an end
                ends = time.monotonic() + PATIENCE
            self._freed.wait(LOOK)
            self._freed.clear()
        raise SessionLost("lost", "No worker is left; grade it again.")

    def free(self, place: str) -> None:
        with self._lock:
            self._busy[place] -= 1
        self._freed.set()

    def alive(self) -> dict[str, int]:
        """Returns the workers and their threads, as of a moment ago."""
        with self._lock:
            fresh = time.monotonic() - self._looked < LOOK
        if not fresh:
            slots = self._slots()
            with self._lock:
                self._alive, self._looked = slots, time.monotonic()
        return self._alive

    def _slots(self) -> dict[str, int]:
        """Asks the scheduler who lives; one that came later must be like the others."""
        alive = dict(self.client.nthreads())
        strangers = [address for address in alive if address not in self._fits]
        if strangers:
            told = self.client.run(
                facts, self.plugin, workers=strangers, on_error="return"
            )
            # One that is still setting up answers with an error: it is asked again.
            self._fits |= {
                a: t == self._agreed for a, t in told.items() if isinstance(t, dict)
            }
        return {a: threads for a, threads in alive.items() if self._fits.get(a)}


class Elsewhere:
    """A `Session` on a worker; once that is gone, every step says so."""

    _numbers = itertools.count()

    def __init__(self, cluster: Cluster, place: str, limits: Limits):
        self._cluster, self._place = cluster, place
        self._id = f"{uuid4().hex}-{next(self._numbers)}"
        self._closed = False
        self._step(PATIENCE, verb="open", limits=asdict(limits))

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def run(self, cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """As `Session.run`."""
        cells = list(cells)
        seconds = sum(cell["seconds"] for cell in cells) + PATIENCE
        return self._step(seconds, verb="run", cells=cells)

    def ask(self, probe: dict[str, Any], seconds: float) -> Any:
        """As `Session.ask`."""
        return self._step(seconds + PATIENCE, verb="ask", probe=probe, seconds=seconds)

    def close(self) -> None:
        """Ends the process; a lost worker has ended it already."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(SessionLost):
            self._step(PATIENCE, verb="close")
        self._cluster.free(self._place)

    let_go = close

    def _step(self, patience: float, /, **request: Any) -> Any:
        """Has the worker take a step; returns its answer.

        Raises:
            SessionLost: the session was, or its worker, or it took far too long.
        """
        client, ends = self._cluster.client, time.monotonic() + patience
        try:
            future = client.submit(
                step,
                self._cluster.plugin,
                self._id,
                records.to_bytes(request),
                workers=[self._place],
                allow_other_workers=False,
                pure=False,
                retries=0,
                key=f"step-{self._id}-{next(self._numbers)}",
            )
            done = threading.Event()
            future.add_done_callback(lambda _: done.set())
            while not done.wait(LOOK):
                lost = self._place not in self._cluster.alive()
                if lost or time.monotonic() > ends:
                    future.cancel(force=True)
                    raise SessionLost("lost", GONE)
            told = records.from_bytes(future.result())
        except FAULTS as error:
            raise SessionLost("lost", GONE) from error
        if "lost" in told:
            raise SessionLost(*told["lost"])
        return told["answer"]
