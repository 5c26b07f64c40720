"""What nobody is graded by is not run, and everything else is."""

import textwrap
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.authoring.source import read_variants
from autograder.demo import complete
from autograder.grading.cells import grade_id
from autograder.grading.experiments import without_experiments
from autograder.grading.rebuild import Cell, rebuild
from autograder.grading.submission import grade_submission

HEAD = """
class Head(keras.layers.Layer):
    def call(self, x):
        return scale * x @ table if len(x) in range(9) else x
scale = 2
table = np.zeros((3, 3))
"""
LEFT_OUT = {
    "a training": "model.fit(x, y)",
    "a loop": "for i in range(10_000):\n    total += i",
    "an endless loop": "while True:\n    pass",
    "a loop over what one does not see": "for batch in data:\n    Head()(batch)",
    "a training in a function": "def train():\n    m.fit(x)\n@@train()",
    "in a function of a function": (
        "def inner():\n    while x: pass\ndef outer():\n    inner()\n@@outer()"
    ),
    "in a lambda": "@@run = lambda: model.fit(x)",
    "in a comprehension": "@@scores = [m.evaluate(x) for m in models]",
    "in a condition": "if __name__ == '__main__':\n    model.fit(x)",
    "in a with": "with device:\n    model.fit(x)",
    "what needs it": "@@h = model.fit(x)\n@@plt.plot(h.history)\n@@best = h.best",
    "a loop with the head in it": "for n in range(999):\n    print(Head()(scale))",
    "a magic": "@@%timeit Head()(x)",
    "a question to the keyboard": "@@name = input('who?')",
}
LEFT_IN = {
    "a short loop": "for i in range(3):\n    print(i)",
    "a short list": "for n in (1, 2):\n    print(n)",
    "a plain call": "Head()(x)",
    "a loop that fills the table": "for i in range(999):\n    table[i] = i",
    "a loop that makes it": "for i in range(999):\n    table = table + i",
    "a method of it": "for i in range(999):\n    table.append(i)",
    "a function that is handed it": "for i in range(999):\n    fill(table, i)",
    "one that reaches it": "def fill():\n    table[0] = 1\nwhile x:\n    fill()",
    "a global": "def fill():\n    global scale\n    scale = 3\nwhile x:\n    fill()",
    "what the class is changed by": "for n in names:\n    setattr(Head, n, None)",
    "its attribute": "while x:\n    Head.call = other",
    "names out of nowhere": "for n in names:\n    exec(n)",
    "two on one line": "model.fit(x); y = 3",
    "a class that is made of it": "Base = made.fit()\nclass Own(Base): pass",
    "what a needed name needs": "a = m.fit()\nb = a.b\ntable = b.c",
}


def lean_of(code: str, kind: str = "extra"):
    cells = [Cell("head", "exercise", HEAD), Cell("cell 2", kind, code)]
    return without_experiments(cells, {"Head"})


@pytest.mark.parametrize("kind", ["extra", "exercise"])
@pytest.mark.parametrize("code", LEFT_OUT.values(), ids=LEFT_OUT)
def test_an_experiment_is_left_out(code, kind):
    lines = code.split("\n")
    some = any(line.startswith("@@") for line in lines)
    kept = ["" if line.startswith("@@") or not some else line for line in lines]
    lean = lean_of(code.replace("@@", ""), kind)
    assert lean.cells[1].source.split("\n") == kept
    assert lean.cells[0].source == HEAD
    (note,) = lean.notes
    assert "not run" in note and note.startswith(
        "cell 2:" if kind == "extra" else "the cell of cell 2:"
    )


@pytest.mark.parametrize("code", LEFT_IN.values(), ids=LEFT_IN)
def test_what_may_matter_stays(code):
    assert lean_of(code) is None


def test_the_courses_own_cells_stay():
    assert lean_of("while True: pass", "given") is None


def test_what_the_courses_own_cells_need_stays():
    cells = [
        Cell("head", "exercise", HEAD),
        Cell("cell 2", "extra", "weights = model.fit(x)"),
        Cell("given_002", "given", "print(weights)"),
    ]
    assert without_experiments(cells, {"Head"}) is None


@pytest.mark.parametrize(
    "code",
    ["def broken(:\n", "x = " + "(" * 90 + "1" + ")" * 90, "-" * 3000 + "1", "\0", ""],
)
def test_odd_code_is_let_be(code):
    assert lean_of(code) is None


def test_a_line_keeps_its_number():
    lean = lean_of("while x:\n    pass\n1 / 0")
    assert lean.cells[1].source == "\n\n1 / 0"


# --- in the sandbox ---------------------------------------------------------------


@pytest.fixture
def graded(sandbox, release, paper_of):
    """A function of exercise cells and of the student's own, in place of one."""
    paper = paper_of("attention_head")
    names = {e.id: e.names for e in paper.exercises if not e.manual}

    def graded(sources, own=""):
        notebook = deepcopy(release)
        for cell in notebook.cells:
            cell.source = sources.get(grade_id(cell), cell.source)
        if own:
            notebook.cells.append(new_code_cell(textwrap.dedent(own)))
        read = nbformat.reads(nbformat.writes(notebook), as_version=4)
        rebuilt = rebuild(read, release, names)
        return grade_submission(sandbox, "s", rebuilt, paper).result

    return graded


def told(result):
    """What a result says of the exercises."""
    return [
        (e.id, e.score, e.status, e.misconception, [c.passed for c in e.checks])
        for e in result.exercises
    ]


@pytest.mark.slow
@pytest.mark.parametrize("own_cell", [True, False])
def test_an_endless_training_costs_nothing(graded, solutions, own_cell):
    """Not a point, and no time: it would be stopped at its limit, and told so."""
    loop = "step = 0\nwhile True:\n    step += 1\n"
    last = [*solutions][-1]
    sources = dict(solutions)
    if not own_cell:
        sources[last] = f"{solutions[last]}\n\n{loop}"
    result = graded(sources, loop if own_cell else "")
    assert result.score == 12
    (note,) = [r for r in result.repairs if "not run" in r]
    assert not any("did not end" in repair for repair in result.repairs)


@pytest.mark.slow
def test_a_loop_that_the_answer_is_made_of_is_run(graded, solutions):
    (first, *_) = solutions
    filled = """
    squares = {}
    for number in range(200):
        squares[number] = number * number
    root = max(n for n in squares if squares[n] <= 64)
    """
    own = solutions[first] + textwrap.dedent(filled)
    own += "assert root == 8\n" + "attention_weights = (attention_weights, root)[0]\n"
    result = graded({**solutions, first: own})
    assert result.score == 12 and not any("not run" in r for r in result.repairs)


@pytest.mark.slow
def test_what_is_wrong_is_asked_with_everything(graded, course, solutions):
    """A wrong exercise has the verdict that it has with no experiment beside it."""
    variants = read_variants(course, "attention_head")
    wrong = next(v for v in variants if not v.right and v.exercise == "attention_head")
    sources = {**solutions, wrong.exercise: complete(wrong, solutions)}
    plain = graded(sources)
    lost = graded(sources, "for number in range(200):\n    number += 1\n")
    assert 0 < plain.score < 12 and told(lost) == told(plain)
    assert lost.repairs == plain.repairs


@pytest.mark.slow
def test_who_is_right_by_an_unseen_effect_of_a_loop_is_right(graded, solutions):
    (first, *_) = solutions
    hidden = """
    import builtins, itertools
    for number in itertools.count():
        builtins.knows = True
        if number > 200:
            break
    """
    asking = solutions[first].replace("# BEGIN SOLUTION", "knows", 1)
    own = textwrap.dedent(hidden) + asking
    result = graded({**solutions, first: own})
    assert result.score == 12 and not any("not run" in r for r in result.repairs)
