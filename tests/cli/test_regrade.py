"""Grading again: shown first, written when asked, and a person's scores stay."""

import contextlib
import hashlib
import io

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import cli, records
from autograder.authoring.release import filled_notebook
from autograder.cli.terminal import console
from autograder.course import CourseError
from autograder.exercise import PUBLIC_SEED
from autograder.grading import classroom, written
from autograder.grading.cells import grade_id
from autograder.grading.classroom import Workplace
from autograder.sandbox import host

NAME = "attention_head"
UNSCALED = (
    "def attention_weights(query, key, attention_mask=None):\n"
    "    return ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)))\n"
)
pytestmark = pytest.mark.slow


@pytest.fixture
def desk(course, sandbox, solutions, tmp_path, monkeypatch):
    """Grades a class of two, with public questions: the others take long to make."""
    path = course.root / "autograder" / "public" / f"{NAME}.safetensors"
    tree = records.read(path)
    monkeypatch.setattr(classroom, "hidden_records", lambda *_: tree)
    monkeypatch.setattr(Workplace, "seed", lambda _: PUBLIC_SEED)
    monkeypatch.setattr(
        host, "Sandbox", lambda *_, **__: contextlib.nullcontext(sandbox)
    )

    before = console._file, console._width

    class Desk:
        out, submitted = tmp_path / "out", tmp_path / "in"
        database = f"sqlite:///{tmp_path / 'out' / 'gradebook.db'}"

        def hand_in(self, student, **changed):
            notebook = filled_notebook(course, NAME, {**solutions, **changed})
            cells = {grade_id(cell): cell for cell in notebook.cells}
            cells["explain_scaling"].source = "Because."
            place = self.submitted / student / NAME
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{NAME}.ipynb").write_text(nbformat.writes(notebook))

        def grade(self, regrade=None, **options):
            console.file, console.width = io.StringIO(), 160
            result = cli.run(
                course, NAME, self.submitted, self.out, regrade=regrade, **options
            )
            return result, console.file.getvalue()

        def files(self):
            return {
                path: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.out.rglob("*")
                if path.is_file() and ".autograder" not in path.parts
            }

        @contextlib.contextmanager
        def grades(self, student):
            with Gradebook(self.database, course.id) as gradebook:
                notebook = gradebook.find_submission_notebook(NAME, NAME, student)
                yield {grade.cell.name: grade for grade in notebook.grades}
                gradebook.db.commit()

    yield Desk()
    console._file, console._width = before


def test_a_regrade_shows_before_it_writes(desk, tmp_path):
    desk.hand_in("ana")
    desk.hand_in("ben")
    with pytest.raises(CourseError, match="without --regrade first"):
        desk.grade("show")
    assert not (desk.out / "gradebook.db").exists()
    result, _ = desk.grade(json=tmp_path / "first.json")
    _kept_evidence(result)
    with desk.grades("ben") as grades:
        grades["explain_scaling"].manual_score = 1.5
        grades["grade_attention_weights"].manual_score = 2.75
        for grade in grades.values():
            grade.needs_manual_grade = False

    _, said = desk.grade("show")
    assert "Nothing changes" in said, said

    desk.hand_in("ben", attention_weights=UNSCALED)
    before = desk.files()
    result, said = desk.grade("show", json=tmp_path / "never.json")
    assert desk.files() == before and not (tmp_path / "never.json").exists()
    assert written.last(Workplace(desk.out), NAME)["ben"].score == 12
    new = next(s for s in result.submissions if s.student == "ben")
    assert f"12 → {new.score:g}" in said and "attention_weights/val" in said
    assert "passed → failed" in said and "another file" in said, said
    assert "A person gave 2.75; that stays" in said and "1 of 2 students" in said
    assert "ana" not in said and "--apply" in said

    _, said = desk.grade("apply", json=tmp_path / "second.json")
    assert "Written now" in said and (tmp_path / "second.json").exists()
    assert desk.files() != before
    with desk.grades("ben") as grades:
        overruled, answer = grades["grade_attention_weights"], grades["explain_scaling"]
        assert overruled.auto_score < 3 and overruled.manual_score == 2.75
        assert overruled.needs_manual_grade, "what was overruled is another now"
        assert answer.manual_score == 1.5 and not answer.needs_manual_grade
    _, said = desk.grade("show")
    assert "Nothing changes" in said, said


def _kept_evidence(result):
    for submission in result.submissions:
        assert submission.file == f"{NAME}.ipynb" and submission.digest
        for exercise in submission.exercises:
            for check in exercise.checks:
                kept = check.provenance
                assert kept.seed_id == result.seed_id and kept.isolation
                assert kept.python and kept.keras and kept.backend_version
                assert kept.autograder and kept.records and kept.grader
                assert len(check.evidence) >= 1
                assert all(e.compare and e.passed for e in check.evidence)
        values = next(c for c in submission.exercises[0].checks if c.id == "values")
        for item in values.evidence:
            assert item.error <= item.tolerance
            assert any(key.startswith("asked/") for key in item.sizes)
            assert any(key.startswith("due/") for key in item.sizes)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["grade", NAME, "--submitted", ".", "--apply"], "give both"),
        (["grade", NAME, "--submitted", "setup.py"], "no zip"),
        (["grade", NAME, "--submitted", ".", "--layout", "x"], "one of auto"),
        (["grade", NAME, "--submitted", ".", "--roster", "x.csv"], "roster x.csv"),
        (["explain", "ana", "nonsense"], "No exercise 'nonsense'"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, words, course, monkeypatch, capsys):
    monkeypatch.chdir(course.root)
    monkeypatch.setattr("sys.argv", ["autograder", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and words in told and "\n" not in told
