from autograder.cli.pace import Pace
from autograder.results import SubmissionResult


def result(student, status="graded"):
    return SubmissionResult(student=student, status=status, score=0, max_score=1)


def test_a_line_tells_rate_time_left_and_what_failed():
    now = [0.0]
    pace = Pace(10, clock=lambda: now[0])
    assert pace.line == "0 of 10 done, 0 a second" and not pace.due()
    for number in range(4):
        now[0] += 2.0
        pace.note(result(f"s{number}", "timeout" if number == 2 else "graded"))
    assert (
        pace.line == "4 of 10 done, 0.5 a second, 12 s left; not graded: s2 (timeout)"
    )
    assert pace.short == "grading, 1 not graded" and not pace.due()
    now[0] += 3.0
    assert pace.due() and not pace.due()


def test_many_failures_are_counted_and_names_are_inert():
    pace = Pace(8)
    for number in range(8):
        pace.note(result(f"\x1b[31m{number}", "missing"))
    assert "and 3 more" in pace.line and "\x1b" not in pace.line
    assert pace.due(), "the last one always has a line"
