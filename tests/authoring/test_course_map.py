"""The course map: every exercise has its place, and the minutes are the notebooks'."""

import re
from dataclasses import replace

import pytest

from autograder import exercises
from autograder.authoring.build import build_map
from autograder.authoring.course_map import BEGIN, END, course_map, with_map
from autograder.authoring.source import read_solution
from autograder.course import CourseError, Section, load_course

COURSE = load_course()
ASSIGNMENTS = [a.name for a in COURSE.assignments]
PLACED = [a for a in COURSE.assignments if a.lecture]
# What the lecture is about, from its first slide to its last.
LECTURE = """
recurrent, per-token embeddings, dot-product similarity, queries, head, multi-head,
positions, images as tokens, t2t, dna as tokens, why so many, gpt, model sizes
"""


def changed(name, **fields):
    """The course with one assignment changed."""
    made = [replace(a, **fields) if a.name == name else a for a in COURSE.assignments]
    return replace(COURSE, assignments=tuple(made))


def test_readme_holds_the_map():
    readme = (COURSE.root / "README.md").read_text(encoding="utf-8")
    assert course_map(COURSE) in readme, "run `autograder build`"
    assert with_map(readme, course_map(COURSE)) == readme


def test_every_assignment_and_exercise_is_on_it_once():
    table = course_map(COURSE)
    for assignment in COURSE.assignments:
        assert (
            table.count(f"({COURSE.release(assignment.name).relative_to(COURSE.root)})")
            == 1
        )
        for exercise in exercises.load(assignment.name):
            for name in exercise.names:
                assert len(re.findall(rf"`{name}`", table)) == 1, name


@pytest.mark.parametrize("topic", LECTURE.replace("\n", " ").split(","))
def test_every_section_of_the_lecture_has_its_place(topic):
    sections = [s.section.lower() for a in COURSE.assignments for s in a.lecture]
    assert any(topic.strip() in section for section in sections)


def headings(assignment):
    """Minutes by what a heading "### Exercise 3 · `Name` · … · 40 minutes" names."""
    text = "\n".join(cell.source for cell in read_solution(COURSE, assignment))
    found = re.findall(r"^### Exercise \d+ · (.*?)(\d+) minutes$", text, re.MULTILINE)
    (whole,) = re.findall(r"· about (\d+) minutes", text)
    return int(whole), {
        tuple(re.findall(r"`(\w+)`", told)): int(minutes) for told, minutes in found
    }


@pytest.mark.parametrize("assignment", PLACED, ids=lambda a: a.name)
def test_minutes_are_those_of_the_notebook(assignment):
    whole, by_names = headings(assignment.name)
    assert whole == assignment.minutes
    known = {e.id: by_names[e.names] for e in exercises.load(assignment.name)}
    for section in assignment.lecture:
        assert section.minutes >= sum(known[id] for id in section.exercises) > -1
        assert section.exercises or section.minutes > 0


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"minutes": 1}, "90 minutes together, and it says 1"),
        ({"lecture": (Section("All", 90),)}, "'attention_weights' is"),
        ({"lecture": (Section("All", 90, ("attention_head", "x")),)}, "'x' is"),
    ],
)
def test_what_does_not_fit_is_told(fields, told):
    with pytest.raises(CourseError, match=told):
        course_map(changed("attention_head", **fields))


def test_an_assignment_without_sections_is_one(tmp_path):
    table = course_map(changed("attention_head", lecture=(), minutes=77))
    row = next(line for line in table.splitlines() if "`AttentionHead`" in line)
    assert "`causal_mask`" in row and row.endswith("| 77 |")


def test_a_page_without_a_place_for_it_stays_as_it_is(tmp_path):
    course = replace(COURSE, root=tmp_path)
    assert not list(build_map(course))
    page = tmp_path / "README.md"
    for text, due in (("none\n", False), (f"a\n{BEGIN}\nold\n{END}\nb\n", True)):
        page.write_text(text)
        assert [changed for _, changed in build_map(course)] == [due]
        assert [changed for _, changed in build_map(course)] == [False]
    assert "old" not in page.read_text() and page.read_text().endswith(f"{END}\nb\n")


@pytest.mark.parametrize(
    "lecture, told",
    [
        ('[{ section = "A", minutes = 1, exercises = "abc" }]', "in brackets"),
        ('[{ section = "A", minutes = 1, exercise = ["a"] }]', "'exercise'"),
    ],
)
def test_course_toml_is_read_with_care(tmp_path, lecture, told):
    entry = f'[[assignment]]\nname = "a"\ntitle = "A"\nlecture = {lecture}\n'
    head = '[course]\nid = "c"\ntitle = "C"\n'
    (tmp_path / "course.toml").write_text(head + entry)
    with pytest.raises(CourseError, match=told):
        load_course(tmp_path)
