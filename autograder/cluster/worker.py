"""What runs on a Dask worker: one sandbox, and the sessions that it holds.

A worker is told a student's cells and questions, and gives answers; it never sees what
is right. Requests and answers go between the machines as the bytes that `records`
makes, so that nothing which a student's process said is unpickled anywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from autograder import records
from autograder.course import Limits
from autograder.sandbox.host import Sandbox, Session, SessionLost


class Zygote(WorkerPlugin):
    """Keeps one sandbox on a worker, for as long as that lives.

    A later run with the same code and limits finds it warm, under the same name.

    Args:
        limits: what a submission may use, as a dictionary of `Limits`.
        minimum: as for `Sandbox`.
    """

    idempotent = True

    def __init__(self, limits: dict[str, Any], minimum: str | None = None):
        self.limits, self.minimum = limits, minimum
        told = json.dumps([fingerprint(), limits, minimum], sort_keys=True)
        self.name = f"autograder-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    async def setup(self, worker) -> None:
        # Canaries take seconds, in which the worker must go on saying that it lives.
        limits = Limits(**self.limits)
        self.sandbox = await asyncio.to_thread(Sandbox, limits, minimum=self.minimum)
        self.sessions: dict[str, Session] = {}
        self.lock = threading.Lock()

    async def teardown(self, worker) -> None:
        await asyncio.to_thread(self.sandbox.close)

    def open(self, id: str, limits: Limits) -> None:
        with self.lock:
            self.sessions[id] = self.sandbox.session(limits)

    def close(self, id: str) -> None:
        with self.lock:
            session = self.sessions.pop(id, None)
        if session is not None:
            session.close()


def facts(plugin: str, dask_worker: Worker) -> dict[str, Any]:
    """Returns what must be the same on every worker; for `Client.run`."""
    sandbox = dask_worker.plugins[plugin].sandbox
    return {
        "isolation": sandbox.isolation,
        "environment": sandbox.environment,
        "code": fingerprint(),
    }


def fingerprint() -> str:
    """Names the code that asks: where it differs, so may the answers."""
    package = Path(__file__).parents[1]
    paths = [*package.glob("*.py"), *package.glob("sandbox/*.py")]
    texts = [path.read_bytes() for path in sorted(paths)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


def step(plugin: str, id: str, request: bytes) -> bytes:
    """Takes one step of a session: `open`, `run`, `ask` or `close`."""
    zygote = get_worker().plugins[plugin]
    try:
        answer = _taken(zygote, id, **records.from_bytes(request))
    except SessionLost as lost:
        return records.to_bytes({"lost": [lost.reason, lost.message]})
    return records.to_bytes({"answer": answer})


def _taken(zygote: Zygote, id: str, verb: str, **told: Any) -> Any:
    if verb == "open":
        return zygote.open(id, Limits(**told["limits"]))
    if verb == "close":
        return zygote.close(id)
    session = zygote.sessions.get(id)
    if session is None:
        raise SessionLost("lost", "Its worker was started anew; grade it again.")
    if verb == "run":
        return session.run(told["cells"])
    return session.ask(told["probe"], told["seconds"])
