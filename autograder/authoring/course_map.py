"""The course map: section of the lecture → assignment → exercise, with minutes."""

from __future__ import annotations

from autograder import exercises
from autograder.course import FILE_NAME, Assignment, Course, CourseError, Section

BEGIN = "<!-- course map: `autograder build` writes it from course.toml -->"
END = "<!-- end of the course map -->"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def course_map(course: Course, badges: bool = False) -> str:
    """Returns the map as a table in Markdown, its links relative to the course.

    Args:
        badges: whether notebooks that Colab can open have its badge.

    Raises:
        CourseError: an exercise is missing or unknown, or minutes do not add up.
    """
    lines = ["| the lecture | assignment | you write | minutes |", "|---|---|---|---|"]
    for assignment in course.assignments:
        path = f"assignments/{assignment.name}/{assignment.name}.ipynb"
        told = f"[{assignment.title}]({path})"
        badge = course.badge(path) if badges else None
        if badge:
            told += f" [![Open in Colab]({BADGE})]({badge})"
        objects = _objects(assignment)
        for section in _sections(assignment, list(objects)):
            write = ", ".join(objects[id] for id in section.exercises) or "*shown*"
            lines.append(
                f"| {section.section} | {told} | {write} | {section.minutes} |"
            )
            told = ""  # the rows below are the same assignment's
    total = sum(assignment.minutes for assignment in course.assignments)
    lines.append(f"| | | | **{total}** |")
    return "\n".join(lines)


def with_map(text: str, table: str) -> str:
    """Returns a page with the table between its two marks, or as it was without."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{mark}\n\n{table}\n\n{end}{after}" if mark and end else text


def _objects(assignment: Assignment) -> dict[str, str]:
    """Returns what each exercise asks for, in words, by its id."""
    return {
        exercise.id: ", ".join(f"`{name}`" for name in exercise.names)
        or f"in words: {exercise.title}"
        for exercise in exercises.load(assignment.name)
    }


def _sections(assignment: Assignment, asked: list[str]) -> tuple[Section, ...]:
    """Returns the sections, or all in one where course.toml names none."""
    if not assignment.lecture:
        return (Section(assignment.title, assignment.minutes, tuple(asked)),)
    placed = [id for section in assignment.lecture for id in section.exercises]
    wrong = [id for id in placed if id not in asked or placed.count(id) > 1]
    wrong += [id for id in asked if id not in placed]
    if wrong:
        raise CourseError(
            f"{FILE_NAME}: the lecture of {assignment.name} must name every exercise "
            f"of it once, and {wrong[0]!r} is unknown, missing or there twice."
        )
    minutes = sum(section.minutes for section in assignment.lecture)
    if minutes != assignment.minutes:
        raise CourseError(
            f"{FILE_NAME}: the sections of {assignment.name} take {minutes} minutes "
            f"together, and it says {assignment.minutes}; mend one of them."
        )
    return assignment.lecture
