"""Gradebooks to write to: SQLite, and a PostgreSQL server that lives for the tests."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from autograder.nbgrading import tools_on_path


def programs():
    """Returns the folder of PostgreSQL's server programs, or None."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


@pytest.fixture(scope="session")
def server():
    """A throw-away PostgreSQL server on a Unix socket; its folder."""
    bin = programs()
    if bin is None:
        pytest.skip("no PostgreSQL server here; apt-get install postgresql")
    pytest.importorskip("psycopg")
    # A Unix socket's path may have a hundred characters, so not pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_user = []
    if os.getuid() == 0:  # the server refuses to run as root
        if not shutil.which("setpriv"):
            shutil.rmtree(folder)
            pytest.skip("PostgreSQL does not run as root, and setpriv is missing")
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        os.chown(folder, 65534, 65534)

    def run(program, *arguments):
        command = [*as_user, str(bin / program), *arguments]
        env = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps what pg_ctl is given
            stderr=subprocess.DEVNULL,
            timeout=120,
        )
        assert done.returncode == 0, f"{program}: see {folder}"

    data, log = str(folder / "data"), str(folder / "log")
    try:
        run("initdb", "-D", data, "-U", "grader", "-A", "trust", "-N")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-D", data, "-l", log, "-w", "-t", "60", "-o", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty gradebook, of either kind."""
    tools_on_path()
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gradebook.db'}"
        return
    folder = request.getfixturevalue("server")
    import psycopg

    name = f"gradebook_{os.urandom(4).hex()}"
    with psycopg.connect(f"host={folder} user=grader dbname=postgres") as admin:
        admin.autocommit = True
        admin.execute(f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://grader@/{name}?host={folder}"
