"""Filled notebooks of two assignments, partly wrong, and what their code comes to."""

import ast
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import nbformat
import pytest

from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_solution, read_variants
from autograder.demo import complete
from autograder.exercises import load
from autograder.grading.mending import as_python
from autograder.grading.rebuild import rebuild
from autograder.grading.submission import grade_submission

# A mistake in one exercise each, so that the name of the mistake has to survive, too.
MISTAKES = {"attention_head": "no_scaling", "vit_patch_embedder": "reshaped_only"}


@dataclass
class Bench:
    """One assignment's notebook, to be spoiled and looked at."""

    course: object
    assignment: str

    @cached_property
    def release(self):
        return nbformat.read(self.course.release(self.assignment), as_version=4)

    @cached_property
    def names(self):
        return {e.id: e.names for e in load(self.assignment) if not e.manual}

    @cached_property
    def sources(self):
        right = {
            cell.marks["exercise"]: cell.source
            for cell in read_solution(self.course, self.assignment)
            if cell.role == "exercise"
        }
        wanted = MISTAKES[self.assignment]
        variants = read_variants(self.course, self.assignment)
        mistake = next(v for v in variants if v.name == wanted)
        return {**right, mistake.exercise: complete(mistake, right)}

    @cached_property
    def filled(self):
        notebook = filled_notebook(self.course, self.assignment, self.sources)
        for cell in notebook.cells:
            if cell.source == "YOUR ANSWER HERE":
                cell.source = "Because the variance grows."
        return notebook

    def copy(self):
        from tests.corruptions.kinds import Copy

        return Copy(deepcopy(self.filled), deepcopy(self.release), self.names)

    def rebuilt(self, notebook):
        return rebuild(notebook, self.release, self.names)

    @cached_property
    def due(self):
        """What the unspoiled notebook's code comes to."""
        return code_of(self.rebuilt(deepcopy(self.filled)), self.names)

    def grade(self, notebook, sandbox, paper):
        return grade_submission(sandbox, "ana", self.rebuilt(notebook), paper).result


def code_of(rebuilt, names):
    """Returns what each asked name means once the rebuilt cells have run.

    It reads the cells anew, statement by statement: the last function, class or alias.
    A definition behind a failing statement is found too, as the grader runs it alone.
    """
    asked = {name for wanted in names.values() for name in wanted}
    made = {}
    for cell in rebuilt.cells:
        if cell.kind == "shown":
            continue
        try:
            body = ast.parse(as_python(cell.source)).body
        except SyntaxError:
            continue
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                made[node.name] = ast.dump(ast.Module(plain(node), []))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                made[node.targets[0].id] = made.get(node.value.id)
            elif isinstance(node, (ast.Assign, ast.ImportFrom, ast.For)):
                for part in ast.walk(node):
                    stored = isinstance(part, ast.Name) and isinstance(
                        part.ctx, ast.Store
                    )
                    name = part.id if stored else getattr(part, "asname", None)
                    if name in asked:
                        made[name] = "overwritten"
    return {name: made.get(name) for name in sorted(asked)}


def plain(node):
    """Returns a definition's body without the docstring's exact words."""
    body = [x for x in node.body if not _text(x)]
    for part in body:
        for inner in ast.walk(part):
            if hasattr(inner, "body") and isinstance(inner.body, list):
                inner.body = [x for x in inner.body if not _text(x)]
    return body


def _text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def told(result):
    """Returns what must not change: status, score, and which mistake where."""
    exercises = [
        (e.id, e.status, e.score, e.misconception, [c.passed for c in e.checks])
        for e in result.exercises
    ]
    return result.status, result.score, exercises


@pytest.fixture(scope="session")
def benches(course):
    return {name: Bench(course, name) for name in MISTAKES}


@pytest.fixture(scope="session")
def papers(paper_of):
    return {name: paper_of(name) for name in MISTAKES}


@pytest.fixture(scope="session")
def graded(benches, sandbox, papers):
    """The unspoiled notebooks' results."""
    return {
        name: bench.grade(deepcopy(bench.filled), sandbox, papers[name])
        for name, bench in benches.items()
    }
