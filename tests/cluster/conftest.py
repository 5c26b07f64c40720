"""A real Dask cluster on loopback: a scheduler and workers, each a process."""

import contextlib
import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("distributed")
DASK = [sys.executable, "-m", "dask"]
QUIET = {"DASK_DISTRIBUTED__WORKER__PRELOAD": "[]", "PYTHONWARNINGS": "ignore"}


class Workers:
    """The processes; `kill` ends one as a machine that fails would."""

    def __init__(self, folder):
        self.folder, self.running = folder, []
        self.file = folder / "scheduler.json"

    def start(self, *arguments, log):
        with open(self.folder / log, "wb") as output:
            process = subprocess.Popen(
                [*DASK, *arguments, "--scheduler-file", str(self.file)],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, **QUIET},
            )
        self.running.append(process)
        return process

    def worker(self, number):
        options = "--nthreads 1 --no-nanny --no-dashboard --host 127.0.0.1".split()
        return self.start("worker", *options, log=f"worker{number}.log")

    def stop(self):
        for process in reversed(self.running):
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    made = Workers(tmp_path_factory.mktemp("cluster"))
    options = "--host 127.0.0.1 --port 0 --no-dashboard".split()
    try:
        made.start("scheduler", *options, log="scheduler.log")
        ends = time.monotonic() + 60
        while not made.file.exists() and time.monotonic() < ends:
            time.sleep(0.1)
        yield made
    finally:
        made.stop()
