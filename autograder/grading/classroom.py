"""A whole class: every submission found gets a result, in parallel, on disk at once."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock, Timeout

from autograder import __version__, exercises, records
from autograder.authoring.reference import make_records
from autograder.course import Course, CourseError
from autograder.exercise import Exercise
from autograder.grading.answers import checked
from autograder.grading.collect import Collected, Found, find_submissions
from autograder.grading.kept import Kept, key_of
from autograder.grading.lateness import note_lateness
from autograder.grading.places import Place
from autograder.grading.reading import GZIP, Unreadable, read_notebook
from autograder.grading.rebuild import Rebuilt, rebuild
from autograder.grading.submission import (
    Graded,
    Paper,
    grade_submission,
    stamp,
    without_grading,
)
from autograder.judging import Records
from autograder.results import (
    ClassResult,
    Environment,
    Provenance,
    SubmissionResult,
)
from autograder.safe import one_line
from autograder.sandbox.host import Sandbox, SessionLost

AHEAD = 4  # submissions for each that is being graded
FILES_LIMIT = 24  # of one student, that are looked into
Progress = Callable[[str], None]
LARGE = 16 << 20
_large = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """One submission's way through the grader."""

    found: Found
    graded: Graded
    rebuilt: Rebuilt | None = None
    key: str = ""
    """Names all that the result depends on; empty where there is none to keep."""
    taken: Place | None = None
    """The file that was graded, which may be another than the likeliest one."""
    digest: str = ""
    """A fingerprint of what is in it."""


@dataclass(frozen=True)
class Workplace:
    """Where a grading run keeps what it makes; nbgrader's own layout."""

    root: Path

    @property
    def private(self) -> Path:
        """Seed, hidden records and finished results: the staff's alone."""
        return self.root / ".autograder"

    @property
    def gradebook(self) -> Path:
        return self.root / "gradebook.db"

    @property
    def gradebook_url(self) -> str:
        """The gradebook's address, where no other is given."""
        return f"sqlite:///{self.gradebook}"

    def page(self, assignment: str) -> Path:
        return self.root / "reports" / f"{assignment}.html"

    def result(self, assignment: str) -> Path:
        """The class's result: what every page and export is made of."""
        return self.root / "reports" / f"{assignment}.json"

    def export(self, name: str) -> Path:
        return self.root / "exports" / name

    def autograded(self, student: str, assignment: str) -> Path:
        folder = self.root / "autograded" / student / assignment
        return folder / f"{assignment}.ipynb"

    def feedback(self, student: str, assignment: str) -> Path:
        folder = self.root / "feedback" / student / assignment
        return folder / f"{assignment}.html"

    def lock(self, waiting: Callable[[], None]) -> contextlib.AbstractContextManager:
        """Holds this workplace for one grading run at a time.

        A run that is killed lets go of it. `waiting` is called where another one
        holds it.
        """
        self.private.mkdir(parents=True, exist_ok=True)
        self.private.chmod(0o700)
        lock = FileLock(self.private / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waiting()
            lock.acquire()
        return lock

    def seed(self) -> int:
        """Returns this workplace's secret seed, drawn at its first use."""
        path = self.private / "seed"
        if not path.exists():
            self.private.mkdir(parents=True, exist_ok=True)
            self.private.chmod(0o700)
            records.write_text(path, f"{secrets.randbits(62)}\n")
            path.chmod(0o600)
        return int(path.read_text())


def seed_id(seed: int) -> str:
    """Returns a name for a seed that does not tell it."""
    return hashlib.sha256(f"seed {seed}".encode()).hexdigest()[:12]


# --- what is right ----------------------------------------------------------------


def asker(sandbox: Sandbox, seconds: float = 60.0):
    """Returns a function that has the course's own code answer, in the sandbox."""

    def ask(cells: list[str], asked: list[Exercise]) -> dict[str, dict[str, Any]]:
        with sandbox.session() as session:
            ran = session.run(
                [
                    {"id": f"cell {i}", "source": source, "seconds": seconds}
                    for i, source in enumerate(cells)
                ]
            )
            broken = [cell["error"] for cell in ran if cell["error"]]
            if broken:
                raise CourseError(f"The course's own code raises: {broken[0]}")
            return {e.id: _answers(session, e, seconds) for e in asked}

    return ask


def _answers(session, exercise: Exercise, seconds: float) -> dict[str, Any]:
    return {
        probe.id: checked(
            session.ask(
                {
                    "id": probe.id,
                    "action": probe.action,
                    "spec": probe.spec,
                    "names": list(exercise.names),
                },
                seconds,
            )
        )
        for probe in exercise.probes
    }


def hidden_records(
    course: Course,
    assignment: str,
    seed: int,
    sandbox: Sandbox,
    folder: Path,
    pool: Executor,
    progress: Progress = lambda name: None,
) -> dict[str, Any]:
    """Returns the records for a seed, made once and kept in `folder`."""
    path = folder / f"{assignment}-{_records_key(course, assignment, seed, sandbox)}"
    try:
        return records.read(path)
    except (OSError, ValueError, KeyError):
        pass
    tree = make_records(course, assignment, seed, asker(sandbox), progress, pool.map)
    records.write(path, tree)
    path.chmod(0o600)
    return tree


def _records_key(course, assignment, seed, sandbox) -> str:
    parts = [str(seed), json.dumps(sandbox.environment, sort_keys=True), _grader_id()]
    folder = course.solution(assignment)
    parts += [path.read_text() for path in sorted(folder.glob("*.py"))]
    return key_of(parts)


def _grader_id() -> str:
    """Returns a fingerprint of the code that asks and judges."""
    package = Path(__file__).parents[1]
    names = sorted(
        [*package.glob("*.py"), *package.glob("exercises/*.py")]
        + [*package.glob("grading/*.py"), *package.glob("sandbox/*.py")]
        + [*package.glob("thrift/*.py")]
    )
    return key_of(path.read_text() for path in names)


def paper_for(
    course: Course, assignment: str, seed: int, hidden: dict[str, Any], device: str
) -> Paper:
    """Returns what the class is asked, with the records for both seeds."""
    public_path = course.root / "autograder" / "public" / f"{assignment}.safetensors"
    if not public_path.is_file():
        public_path = Path(__file__).parents[1] / "public" / public_path.name
    if not public_path.is_file():
        raise CourseError(f"No public records of {assignment}; run `autograder build`.")
    public = records.read(public_path)
    asked = exercises.load(assignment, seed)
    own = [e.id for e in asked if not e.manual]
    return Paper(
        exercises=asked,
        records={id: Records.of(hidden, id, device) for id in own},
        public=exercises.load(assignment),
        public_records={id: Records.of(public, id, device) for id in own},
        limits=course.limits,
    )


# --- the run ----------------------------------------------------------------------


class Grader:
    """Grades one assignment for a class.

    Args:
        course: the course that the assignment belongs to.
        assignment: its name.
        workplace: where seed, records and finished results are kept.
        sandbox: where student code runs.
        jobs: how many submissions at once; with a GPU, no more than it has places.
        progress: called with what is being done.
        elsewhere: a cluster that runs student code in the sandbox's place; the
            course's own code answers in the sandbox all the same.
    """

    def __init__(
        self,
        course: Course,
        assignment: str,
        workplace: Workplace,
        sandbox: Sandbox,
        jobs: int = 1,
        progress: Progress = lambda name: None,
        elsewhere: Sandbox | None = None,
    ):
        self.course, self.assignment = course, course.assignment(assignment).name
        self.sandbox, self.spare = elsewhere or sandbox, None
        if self.sandbox.environment.get("device") == "gpu":
            self.spare = sandbox = sandbox.on_cpu()
            jobs = min(jobs, self.sandbox.places)
        self.workplace, self.jobs = workplace, jobs
        if self.spare is None and self.sandbox.environment != sandbox.environment:
            raise CourseError(
                "The workers have other libraries than this machine, where the "
                f"reference answers: {self.sandbox.environment} and "
                f"{sandbox.environment}; install the same versions."
            )
        self.seed = workplace.seed()
        self.pool = ThreadPoolExecutor(max_workers=jobs)
        release = course.release(assignment)
        if not release.is_file():
            raise CourseError(f"{release} is missing; run `autograder build`.")
        self.release = nbformat.read(release, as_version=4)
        hidden = hidden_records(
            course,
            assignment,
            self.seed,
            sandbox,
            workplace.private,
            self.pool,
            progress,
        )
        told = course, assignment, self.seed, hidden
        self.paper = paper_for(*told, self.sandbox.environment.get("device", "cpu"))
        self.spare_paper = paper_for(*told, "cpu") if self.spare else None
        self.names = {e.id: e.names for e in self.paper.exercises if not e.manual}
        self.provenance = Provenance(
            seed_id=seed_id(self.seed),
            isolation=self.sandbox.isolation,
            autograder=__version__,
            grader=_grader_id()[:12],
            records=_records_key(course, assignment, self.seed, sandbox)[:12],
            **self.sandbox.environment,
        )
        key = key_of(
            [
                str(self.seed),
                json.dumps(self.sandbox.environment, sort_keys=True),
                self.sandbox.isolation,
                _grader_id(),
                release.read_text(),
                repr(course.limits),
                _records_key(course, assignment, self.seed, sandbox),
            ]
        )
        self.kept = Kept(workplace.private, key)

    def grade(self, submitted: Path | Sequence[Found]) -> Iterator[Outcome]:
        """Yields an outcome per submission, as they are done."""
        if not isinstance(submitted, Sequence):
            others = [assignment.name for assignment in self.course.assignments]
            submitted = find_submissions(submitted, self.assignment, others=others)
        # Not all at once: what nobody has taken yet is kept with all its answers.
        rest, waiting = iter(submitted), set()
        gc.freeze()  # what is there now stays: a tenth of this process's time
        try:
            while True:
                for found in itertools.islice(rest, AHEAD * self.jobs - len(waiting)):
                    waiting.add(self.pool.submit(self.grade_one, found))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                while done:
                    yield done.pop().result()
        finally:
            gc.unfreeze()
            for future in waiting:
                future.cancel()

    def grade_one(self, found: Found) -> Outcome:
        """Returns one submission's outcome; no fault of it raises."""
        outcome = self._grade_one(found)
        result, taken = outcome.graded.result, outcome.taken or found.path
        files = [found.path, *found.earlier] if found.path else []
        result.name, result.digest = found.name, outcome.digest
        result.file = one_line(taken.name) if taken else ""
        result.earlier = [one_line(f.name) for f in files if f != taken]
        came = replace(found, path=taken)
        note_lateness(self.course, self.assignment, came, result)
        return outcome

    def measured(self, found: Found) -> Graded:
        """Grades one submission anew, and keeps nothing; its `spans` tell the time.

        Raises:
            CourseError: it cannot be read.
        """
        if found.status != "found":
            raise CourseError(found.message)
        try:
            rebuilt = self._rebuilt(found)[1]
        except (Unreadable, OSError) as error:
            raise CourseError(_sentence(error)) from error
        return self._graded(found, rebuilt)

    def _grade_one(self, found: Found) -> Outcome:
        if found.status != "found":
            return self._ungraded(found, found.status, found.message)
        try:
            data, rebuilt, taken = self._rebuilt(found)
        except (Unreadable, OSError) as error:
            return self._ungraded(found, "unreadable", _sentence(error))
        except Exception as error:
            message = f"It could not be read: {type(error).__name__}: {error}"
            return self._ungraded(found, "unreadable", message)
        kept = self.kept.result(found.student, data)
        if kept is not None:
            return self._outcome(found, kept, rebuilt, data, taken)
        try:
            graded = self._graded(found, rebuilt)
            self.kept.keep_result(found.student, data, graded)
        except OSError:
            raise  # of the grader's own disk: the next run goes on from here
        except SessionLost as lost:
            return self._ungraded(found, "crashed", lost.message)
        except Exception as error:
            message = f"The grader failed on it: {type(error).__name__}: {error}"
            return self._ungraded(found, "crashed", message)
        return self._outcome(found, graded, rebuilt, data, taken)

    def _graded(self, found: Found, rebuilt: Rebuilt) -> Graded:
        """Grades anew; on the CPU after all, where a GPU gave less than full points.

        So nobody loses a point to a GPU's memory, driver or rounding: what is less than
        right is so by the verdict of a run without one.
        """
        graded = None
        if self.spare is not None:
            with contextlib.suppress(SessionLost):
                graded = grade_submission(
                    self.sandbox, found.student, rebuilt, self.paper
                )
        if graded is None or _lost_points(graded.result):
            graded = grade_submission(
                self.spare or self.sandbox,
                found.student,
                rebuilt,
                self.spare_paper or self.paper,
            )
        device = self.provenance.device if self.spare is None else graded.device
        stamp(graded.result, self.provenance.model_copy(update={"device": device}))
        return graded

    def _outcome(self, found, graded, rebuilt, data: bytes, taken: Place) -> Outcome:
        digest = hashlib.sha256(data).hexdigest()[:16]
        key = self.kept.name(found.student, data)
        return Outcome(found, graded, rebuilt, key, taken, digest)

    def rebuilt(self, found: Found) -> tuple[Rebuilt, Place]:
        """Returns a submission in the release's frame, and the file that it is from.

        Raises:
            CourseError: there is nothing of it that could be run.
        """
        student = one_line(found.student, 80)
        try:
            if found.status != "found":
                raise Unreadable(found.message)
            _, rebuilt, taken = self._rebuilt(found)
        except (Unreadable, OSError) as error:
            raise CourseError(
                f"There is nothing of {student} to run: {one_line(_sentence(error))}"
            ) from None
        return rebuilt, taken

    def _rebuilt(self, found: Found) -> tuple[bytes, Rebuilt, Place]:
        """Returns the first file, or notebook in an archive, that is the assignment's.

        One in which nothing is written yields to a later one in which something is.

        Raises:
            Unreadable, OSError: there is none; why the likeliest one is not.
        """
        best, first = None, None
        for place, (path, data) in enumerate(_each(found)):
            if isinstance(data, Exception):
                first = first or data
                continue
            try:
                rebuilt = self._read(path.name, data)
            except Unreadable as error:
                first = first or error
                continue
            if place:
                told = f"{one_line(path.name)} was taken, notebook {place + 1} of all"
                rebuilt.repairs.insert(0, f"{told}: the likelier ones have no work in")
            if rebuilt.sources:
                return data, rebuilt, path
            best = best or (data, rebuilt, path)
        if best is None:
            raise first or Unreadable("There is no notebook in it.")
        return best

    def _read(self, name: str, data: bytes) -> Rebuilt:
        known = self.kept.rebuilt(name, data)
        if known is not None:
            return known
        # A large file takes many times its size while it is read: one at a time.
        large = len(data) > LARGE or data[:2] == GZIP
        with _large if large else contextlib.nullcontext():
            notebook, repairs = read_notebook(data, name)
        rebuilt = rebuild(notebook, self.release, self.names)
        rebuilt.repairs[:0] = repairs
        with contextlib.suppress(OSError):  # a full disk is told when results are kept
            self.kept.keep_rebuilt(name, data, rebuilt)
        return rebuilt

    def _ungraded(self, found: Found, status: str, message: str) -> Outcome:
        isolation = self.sandbox.isolation
        result = without_grading(found.student, status, message, self.paper, isolation)
        stamp(result, self.provenance)
        return Outcome(found, Graded(result))

    def summary(
        self, outcomes: Iterable[Outcome], collected: Collected | None = None
    ) -> ClassResult:
        """Returns the class's result, students in order."""
        results = sorted((o.graded.result for o in outcomes), key=lambda r: r.student)
        return ClassResult(
            assignment=self.assignment,
            seed_id=seed_id(self.seed),
            environment=Environment(**self.sandbox.environment),
            submissions=results,
            layout=collected.layout if collected else "",
            unmatched=collected.unmatched if collected else [],
            refused=collected.refused if collected else [],
        )


def _each(found: Found) -> Iterator[tuple[Place, bytes | Exception]]:
    """Yields a student's files and what is in them, or why it cannot be read."""
    try:
        yield from itertools.islice(found.contents(), FILES_LIMIT)
    except OSError as error:
        yield found.path, error


def _sentence(error: Exception) -> str:
    """Returns what to tell a student: of the system's errors, without its paths."""
    if isinstance(error, OSError) and error.errno:
        return f"The file cannot be read ({error.strerror}); hand it in again."
    return str(error)


def _lost_points(result: SubmissionResult) -> bool:
    """Did something that was written earn less than it might?"""
    written = [
        e for e in result.exercises if e.status not in ("not_attempted", "manual")
    ]
    return result.status != "graded" or any(e.score < e.max_score for e in written)


def default_jobs() -> int:
    """Returns the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
