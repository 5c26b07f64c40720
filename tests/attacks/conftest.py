"""A class of attackers and honest students, graded once per way of confining."""

import dataclasses
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

import nbformat
import pytest

from autograder import records
from autograder.authoring.release import filled_notebook
from autograder.cli import run
from autograder.exercise import PUBLIC_SEED
from autograder.grading import classroom
from autograder.results import ClassResult
from autograder.sandbox.host import ConfinementError, Sandbox

from . import corpus, files

NAME = "attention_head"
FIRST_EXERCISE = "attention_weights"
HONEST = 6
TOKEN = secrets.token_hex(8), secrets.token_hex(8)
STRONGEST = "strongest"
PLANS = {STRONGEST: (), "landlock+seccomp": ("namespaces", "user", "cgroup")}


def classes(*plans):
    """Parametrizes a test by the class that was graded under each of the plans.

    Their ids end in `@` and the plan, so that one process has all tests of a plan:
    grading such a class takes a minute.
    """
    named = [pytest.param(plan, id=f"@{plan}") for plan in plans]
    return pytest.mark.parametrize("attacked", named, indirect=True)


@dataclasses.dataclass
class Class:
    """What came of a class, and what stands around it."""

    result: ClassResult
    folder: Path
    kept: dict[Path, str]
    heard: list[bytes]
    before: dict[str, list[str]]

    def of(self, student):
        return next(s for s in self.result.submissions if s.student == student)

    def pages(self, student):
        return [
            path.read_text(errors="replace")
            for kind in ("feedback", "autograded")
            for path in (self.folder / "out" / kind / student).rglob("*.*")
        ]


def surroundings():
    """Returns what lies in places that everybody may write to."""
    places = [tempfile.gettempdir(), "/dev/shm", "/var/tmp", "/", str(Path.home())]
    return {p: sorted(os.listdir(p)) for p in places if os.path.isdir(p)}


def wrong_solution(solutions):
    """Two exercises, the first of which is wrong."""
    first = solutions[FIRST_EXERCISE].replace("ops.softmax(", "ops.relu(")
    first = first.replace(", axis=-1)", ")")
    assert first != solutions[FIRST_EXERCISE]
    # The layer is left out: it takes longest, and two hundred are to be graded.
    return {FIRST_EXERCISE: first, "causal_mask": solutions["causal_mask"]}


def attacking(code, facts, wrong):
    """Returns the cell of the first exercise with an attack before it."""
    told = "".join(f"{name} = {value!r}\n" for name, value in facts.items())
    told += f"MARK = {corpus.MARK!r}\n"
    code = code.replace("{function}", FIRST_EXERCISE)
    after = "" if f"def {FIRST_EXERCISE}" in code else wrong[FIRST_EXERCISE]
    return f"{told}{corpus.PRELUDE}\n{code}\n\n{after}"


def plant(folder, course):
    """Lays out secrets that name a token; returns where they are."""
    text = f"secret {''.join(TOKEN)}\n"
    solution = folder / "course" / "solutions" / "notebook.py"
    gradebook = folder / "course" / "gradebook.db"
    at_home = Path.home() / f".attack-canary-{TOKEN[0]}"
    for path in (solution, gradebook, at_home):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    return {"SOLUTION": solution, "GRADEBOOK": gradebook, "AT_HOME": at_home}


@pytest.fixture(scope="session")
def attacked(request, course, solutions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked")
    os.chmod(folder, 0o755)
    limits = dataclasses.replace(
        course.limits,
        wall_seconds=60,
        cell_seconds=4,
        exercise_seconds=20,
        cpu_seconds=40,
        memory_mb=500,
        threads=128,
        file_mb=16,
        output_kb=32,
    )
    small = dataclasses.replace(course, limits=limits)
    place = classroom.Workplace(folder / "out")
    place.private.mkdir(parents=True)
    # The public questions, whose records are there already, stand for hidden ones.
    (place.private / "seed").write_text(f"{PUBLIC_SEED}\n")
    public = records.read(course.root / "autograder" / "public" / f"{NAME}.safetensors")
    known = place.private / "records"
    records.write(known, public)
    patch = pytest.MonkeyPatch()
    patch.setattr(classroom, "hidden_records", lambda *a, **k: records.read(known))
    patch.setenv("ATTACK_CANARY", "".join(TOKEN))
    facts = plant(folder, small)
    before = surroundings()
    submitted = folder / "submitted"
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_UNIX) as local,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
        ):
            udp.bind(tcp.getsockname())
            local.bind(f"{folder}/s")
            local.listen(8)
            datagram.bind(f"{folder}/s.datagram")
            for end in ("s", "s.datagram"):
                os.chmod(f"{folder}/{end}", 0o777)
            facts |= {
                "RECORDS": known,
                "SEED": place.private / "seed",
                "NEIGHBOUR": submitted / "honest0" / NAME / f"{NAME}.ipynb",
                "ROOT": course.root,
                "LISTENING": f"{folder}/s",
            }
            facts = {name: str(value) for name, value in facts.items()}
            facts |= {"FIRST": TOKEN[0], "SECOND": TOKEN[1], "GRADER": os.getpid()}
            facts["ADDRESS"] = tcp.getsockname()
            everything = request.param == STRONGEST
            lay_out(submitted, small, solutions, facts, everything)
            kept = {p: digest(p) for p in map(Path, secret_paths(facts))}

            def confined(limits, **options):
                return Sandbox(limits, **options, without=PLANS[request.param])

            patch.setattr("autograder.sandbox.host.Sandbox", confined)
            try:
                result = run(small, NAME, submitted, folder / "out", jobs=3)
            except ConfinementError as error:
                pytest.skip(str(error))
            finally:
                patch.undo()  # the class stays until the last test of all
            heard = [data for end in (tcp, udp, local, datagram) for data in _all(end)]
        yield Class(result, folder, kept, heard, before)
    finally:
        patch.undo()
        Path(facts["AT_HOME"]).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def lay_out(submitted, course, solutions, facts, everything):
    """Writes the class: honest students, the wrong twin, and the attackers."""
    wrong = wrong_solution(solutions)

    def hand_in(student, sources):
        folder = submitted / student / NAME
        folder.mkdir(parents=True)
        nbformat.write(filled_notebook(course, NAME, sources), folder / f"{NAME}.ipynb")

    for number in range(HONEST):
        hand_in(f"honest{number}", solutions)
    hand_in("twin", wrong)
    for name, (_, code) in corpus.table().items():
        if not everything and name not in corpus.WALLED:
            continue
        first = attacking(code, facts, wrong)
        hand_in(name, {**wrong, FIRST_EXERCISE: first})
    if not everything:
        return
    for name, (_, make) in files.FILES.items():
        folder = submitted / f"file_{name}"
        folder.mkdir()
        make(filled_notebook(course, NAME, wrong), folder, facts)
    for name in files.NAMES.values():
        hand_in(name, wrong)


def secret_paths(facts):
    return [facts[n] for n in ("SOLUTION", "GRADEBOOK", "AT_HOME", "RECORDS", "SEED")]


def digest(path):
    facts = path.stat()
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return json.dumps([content, facts.st_mode, facts.st_uid, facts.st_mtime_ns])


def _all(end):
    """Returns whatever reached a listening socket."""
    end.setblocking(False)
    try:
        if end.type == socket.SOCK_STREAM:
            return [str(end.accept()).encode()]
        return [end.recv(100)]
    except OSError:
        return []
