import random
import time

import pytest

from autograder.reports.similarity import fingerprints, similar_code

STARTER = "def solve(x):\n    raise NotImplementedError('Write this.')\n"


def program(seed, lines=40):
    """Returns code with a structure of its own."""
    draw = random.Random(seed)
    signs, calls = "+-*/%@<>", ["sum", "max", "min", "len", "abs", "sorted", "list"]
    ends = ["[0]", "()", "", "[::2]", " if x else y"]
    body = [
        f"    v{i} = {draw.choice(calls)}(x {draw.choice(signs)} "
        f"y.{draw.choice('abcdef')}{draw.choice(ends)}) "
        f"{draw.choice(signs)} z.{draw.choice('ghijk')}"
        for i in range(lines)
    ]
    return "\n".join(["def solve(x):", *body])


def disguised(code):
    """Renames, comments and reformats without changing what is done."""
    code = code.replace("v", "result_").replace("(x", "( value").replace("x:", "value:")
    return "# my own work\n\n" + code.replace("\n", "  # so\n\n").replace(" = ", "=")


@pytest.fixture
def honest():
    return {f"s{i:02d}": STARTER + program(i) for i in range(12)}


def found(sources):
    return [alike.students for alike in similar_code(sources, STARTER)]


def test_honest_work_is_left_alone(honest):
    assert found(honest) == []


def test_a_disguised_copy_is_found(honest):
    honest["copy"] = disguised(honest["s03"])
    (alike,) = similar_code(honest, STARTER)
    assert set(alike.students) == {"s03", "copy"} and alike.share == 1
    assert "sum" in alike.excerpt or "v" in alike.excerpt


def test_a_copy_that_was_worked_on_is_found(honest):
    lines = honest["s03"].split("\n")
    other = program(99).split("\n")
    honest["copy"] = "\n".join([*lines[:-4], *other[-4:]])
    (alike,) = similar_code(honest, STARTER)
    assert set(alike.students) == {"s03", "copy"} and 0.75 <= alike.share < 1
    assert 0 < alike.excerpt.count("\n") < 14


def test_a_group_is_told_once(honest):
    for name in ("x", "y"):
        honest[name] = disguised(honest["s03"])
    assert found(honest) == [("s03", "x", "y")]


def test_what_most_of_the_class_writes_is_custom():
    given = program(0)
    sources = {f"s{i}": given for i in range(9)} | {"t": program(1)}
    assert found(sources) == []


def test_the_starter_code_is_nobodys():
    starter = program(0)
    sources = {"a": starter, "b": starter, **{f"s{i}": program(i) for i in range(1, 9)}}
    assert similar_code(sources, starter) == []


def test_little_code_tells_nothing():
    assert found({"a": "return x + 1", "b": "return x + 1", "c": "", "d": ""}) == []


@pytest.mark.parametrize("size", [0, 1, 2])
def test_tiny_classes(size):
    sources = {name: program(0) for name in "ab"[:size]}
    assert len(found(sources)) == (size == 2)


def test_order_of_students_does_not_matter(honest):
    honest["copy"] = disguised(honest["s03"])
    honest["twin"] = honest["s05"].replace("v1", "other")
    back = dict(reversed(honest.items()))
    alike = similar_code(honest, STARTER)
    assert len(alike) == 2 and alike == similar_code(back, STARTER)


@pytest.mark.parametrize(
    "source",
    ["", '\\"' * 50_000, "'''\\" * 30_000, "(" * 100_000, "\x00\ud800", "def (:\n\t'"],
)
def test_any_text_is_read_in_time(source):
    start = time.process_time()
    fingerprints(source)
    assert time.process_time() - start < 5


def test_names_layout_and_strings_do_not_count():
    one = "def f(a):\n    b = a.softmax(1)  # c\n    return [b + 'x' for b in a]\n"
    two = 'def long(name):\n\n  w=name.softmax( 22 )\n  return [w+"y"\n for w in name]'
    assert set(fingerprints(one)) == set(fingerprints(two)) != set()
    assert set(fingerprints(one)) != set(fingerprints(one.replace("softmax", "exp")))


def test_the_time_grows_with_the_class_and_not_with_its_square():
    # Ten ways to write each of ten parts: much is shared, by many.
    parts = [[program(f"{p}/{w}", 8) for w in range(10)] for p in range(10)]
    draw = random.Random(0)

    def seconds(size):
        sources = {
            f"s{i}": "\n".join(draw.choice(ways) for ways in parts) for i in range(size)
        }
        start = time.process_time()
        similar_code(sources, STARTER)
        return time.process_time() - start

    small = seconds(60)
    assert seconds(360) < 18 * small, "six times the class; the square is 36 times"
