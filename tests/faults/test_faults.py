"""Whatever ends a run: the command again completes the class, and nothing changes."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_variants
from autograder.demo import complete

pytestmark = pytest.mark.slow
NAME = "attention_head"
ROOT = Path(__file__).parents[2]
JUMPING = """
import random, time
true, turns = time.time, random.Random(7)
time.time = lambda: true() + turns.uniform(-1e8, 1e8)
from autograder.cli import main
main()
"""


@pytest.fixture(scope="module")
def lecture(course, prepare, solutions, tmp_path_factory):
    """A submitted class, and a workplace that has its seed and records."""
    folder = tmp_path_factory.mktemp("faults")
    prepare(folder / "fresh", NAME)
    variants = read_variants(course, NAME)[::20]
    classes = {f"v{i}": v for i, v in enumerate(variants)}
    for student in ["right", "also_right", *classes]:
        sources = dict(solutions)
        if student in classes:
            variant = classes[student]
            sources[variant.exercise] = complete(variant, solutions)
        place = folder / "submitted" / student / NAME
        place.mkdir(parents=True)
        nbformat.write(filled_notebook(course, NAME, sources), place / f"{NAME}.ipynb")
    return folder


@pytest.fixture
def out(lecture, tmp_path):
    place = tmp_path / "out"
    shutil.copytree(lecture / "fresh", place)
    return place


@pytest.fixture(scope="module")
def due(lecture, tmp_path_factory):
    """What an undisturbed run makes of the class."""
    place = tmp_path_factory.mktemp("undisturbed") / "out"
    shutil.copytree(lecture / "fresh", place)
    done = grade(lecture, place)
    assert done.returncode == 0, done.stderr
    return outcome(place)


def command(lecture, out, program=("-m", "autograder")):
    return [
        sys.executable,
        *program,
        "grade",
        NAME,
        "--submitted",
        str(lecture / "submitted"),
        "--out",
        str(out),
        "--json",
        str(out.parent / "results.json"),
    ]


def start(lecture, out, **options):
    return subprocess.Popen(
        command(lecture, out, **options),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def grade(lecture, out, **options):
    process = start(lecture, out, **options)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess([], process.returncode, stdout, stderr)


def outcome(out):
    """Returns all that a run gave, without the times it took."""
    tree = json.loads((out.parent / "results.json").read_text())
    for submission in tree["submissions"]:
        assert submission.pop("seconds") >= 0
        submission.pop("phases")
    with contextlib.closing(sqlite3.connect(out / "gradebook.db")) as book:
        grades = book.execute(
            "select a.student_id, g.auto_score from grade g "
            "join submitted_notebook n on g.notebook_id = n.id "
            "join submitted_assignment a on n.assignment_id = a.id "
            "order by 1, g.cell_id, 2"
        ).fetchall()
    students = sorted(set(student for student, _ in grades))
    pages = sorted(str(p.relative_to(out)) for p in (out / "feedback").rglob("*.html"))
    return tree, [(s, sorted(map(str, (g for t, g in grades if t == s))))
                  for s in students], pages  # fmt: skip


def processes(parent=None, word=None):
    """Returns the pids of living processes by their parent and command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError):
            stat = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ")
            fits = parent is None or int(stat[1]) == parent
            if fits and (word is None or word in line.decode(errors="replace")):
                found.append(int(name))
    return found


def test_killed_at_random_moments(lecture, out, due):
    moments = random.Random(4)
    for _ in range(3):
        process = start(lecture, out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(2, 10))
        process.kill()
        process.communicate()
    done = grade(lecture, out)
    assert done.returncode == 0, done.stderr
    assert outcome(out) == due
    left = [p for p in out.rglob(".*") if p.is_file() and p.parent.name != "results"]
    assert left == [] or all(p.suffix == "" for p in left)


@pytest.mark.parametrize("victim", ["zygote", "monitor", "worker"])
def test_a_part_is_killed_and_the_run_goes_on(lecture, out, due, victim):
    moments = random.Random(5)
    process = start(lecture, out)
    killed = 0
    while process.poll() is None and killed < 4:
        time.sleep(moments.uniform(0.05, 0.6))
        (zygote, *_) = processes(process.pid, "sandbox.zygote") or [None]
        if zygote is None or not (out / ".autograder" / "results").exists():
            continue  # it is still finding out what this machine can do
        chosen = [zygote]
        if victim != "zygote":
            chosen = processes(zygote)
        if victim == "worker":
            chosen = [child for monitor in chosen for child in processes(monitor)]
        for pid in chosen[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    process.communicate(timeout=300)
    assert killed
    assert grade(lecture, out).returncode == 0
    assert outcome(out) == due


def test_nothing_of_a_killed_run_lives_on(lecture, out):
    process = start(lecture, out)
    while process.poll() is None and not processes(process.pid, "sandbox.zygote"):
        time.sleep(0.1)
    (zygote,) = processes(process.pid, "sandbox.zygote")
    while process.poll() is None and not processes(zygote):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and os.path.exists(f"/proc/{zygote}"):
        if not Path(f"/proc/{zygote}/cmdline").read_bytes():
            break  # it waits to be collected
        time.sleep(0.1)
    else:
        assert not os.path.exists(f"/proc/{zygote}")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(lecture, tmp_path, due):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 1 + sum(p.stat().st_size for p in (lecture / "fresh").rglob("*")) // 1024
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size + 700}k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        out = disk / "out"
        shutil.copytree(lecture / "fresh", out)
        done = grade(lecture, out)
        assert done.returncode == 2 and "No space left" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        larger = ["mount", "-o", "remount,size=64m", str(disk)]
        subprocess.run(larger, check=True)
        assert grade(lecture, out).returncode == 0
        assert outcome(out) == due
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_locked_and_a_read_only_gradebook(lecture, out, due):
    assert grade(lecture, out).returncode == 0
    book = out / "gradebook.db"
    with contextlib.closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = grade(lecture, out)
        assert done.returncode == 2 and "database is locked" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        other.execute("ROLLBACK")
    if os.geteuid():
        book.chmod(0o444)
        done = grade(lecture, out)
        assert done.returncode == 2 and "readonly" in done.stderr
        book.chmod(0o644)
    assert grade(lecture, out).returncode == 0
    assert outcome(out) == due


def test_a_gradebook_that_cannot_be_opened(lecture, out, due):
    (out / "gradebook.db").mkdir()
    done = grade(lecture, out)
    assert done.returncode == 2 and "cannot be written" in done.stderr
    (out / "gradebook.db").rmdir()
    assert grade(lecture, out).returncode == 0
    assert outcome(out) == due


def test_two_graders_at_once(lecture, out, due):
    both = [start(lecture, out), start(lecture, out)]
    for process in both:
        stderr = process.communicate(timeout=300)[1]
        assert process.returncode == 0, stderr
    assert outcome(out) == due


def test_a_clock_that_jumps(lecture, out, due):
    done = grade(lecture, out, program=("-c", JUMPING))
    assert done.returncode == 0, done.stderr
    assert outcome(out) == due


def test_a_damaged_result_is_made_again(lecture, out, due):
    assert grade(lecture, out).returncode == 0
    for path in sorted((out / ".autograder" / "results").rglob("*")):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-50])
    for path in (out / "feedback").rglob("*.html"):
        path.write_text("edited")
    assert grade(lecture, out).returncode == 0
    assert outcome(out) == due
    pages = [p.read_text() for p in (out / "feedback").rglob("*.html")]
    assert pages and "edited" not in pages
