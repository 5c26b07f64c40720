"""`nbgrader autograde` by our grader: named in nbgrader_config.py, run by nbgrader.

nbgrader never opens what a student handed in, and starts no kernel. It converts the
release notebook, in which `IsolatedExecute` puts the submission, laid over the release
and graded as `autograder grade` would: the same worker, judge, seed and cache.
"""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import (
    AssignLatePenalties,
    GetGrades,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets import Bool

from autograder.course import Course, CourseError, load_course
from autograder.gradebook.database import opened, register, set_deadline
from autograder.gradebook.manual import settle
from autograder.gradebook.notebooks import autograded_notebook, pictures_for
from autograder.gradebook.warm import WARM, found_by_folder
from autograder.grading import written
from autograder.grading.classroom import Outcome
from autograder.grading.collect import TIMESTAMP
from autograder.grading.lateness import read_timestamp
from autograder.sandbox.host import ConfinementError


class SubmissionExporter(NotebookExporter):
    """Stands in for nbgrader's reader: whatever the file is, a notebook comes out.

    nbgrader makes one per run, after it has looked for submissions, so this is also
    where the run is prepared.
    """

    allow_unconfined = Bool(
        False, help="Run student code even where it cannot be confined."
    ).tag(config=True)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        try:
            self.run = Run(self.parent.coursedir)
            self.run.prepare(self.parent, "none" if self.allow_unconfined else None)
        except (CourseError, ConfinementError) as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from error

    def from_filename(self, filename, resources=None, **kwargs):
        return self.from_notebook_node(self.run.release, resources, **kwargs)


class Run:
    """One run of nbgrader over one assignment of this course."""

    def __init__(self, coursedir):
        self.coursedir = coursedir
        self.course = load_course(Path(coursedir.root))
        self.assignment = self.course.assignment(coursedir.assignment_id).name
        submitted = Path(coursedir.root, coursedir.submitted_directory)
        wanted = coursedir.student_id
        self.found = {
            student: found
            for student, found in found_by_folder(submitted, self.assignment).items()
            if found.path is not None and fnmatchcase(student, wanted)
        }

    def prepare(self, converter, minimum: str | None) -> None:
        """Lists what is to be graded, makes it safe to walk through, and begins."""
        self.grader = WARM.grader(self.course, self.assignment, minimum)
        self.release = self.grader.release
        register(self.coursedir.db_url, self.course, self.assignment, self.release)
        # nbgrader's own reader waits for a pipe, and dies of a malformed time.
        self.coursedir.get_existing_timestamp = _timestamp
        folders = {student: self._folder(student) for student in self.found}
        for student, folder in folders.items():
            if folder.is_symlink():
                converter.log.error("%s is a link; left out", folder)
                del self.found[student]
        converter.assignments = {
            str(folders[student]): [str(folders[student] / f"{self.assignment}.ipynb")]
            for student in sorted(self.found)
        }
        odd = {escape(name) for f in folders.values() for name in _irregular(f)}
        self.coursedir.ignore = [*{*self.coursedir.ignore, *odd}]
        self._waiting = WARM.begin(self.grader, self.found)

    def outcome(self, student: str) -> Outcome:
        """Returns a student's outcome, as soon as it is there."""
        return WARM.finished(self._waiting[student])

    def _folder(self, student: str) -> Path:
        path = self.coursedir.format_path(
            self.coursedir.submitted_directory, student, self.assignment
        )
        return Path(path)


def _timestamp(folder: str):
    moment = read_timestamp(Path(folder, TIMESTAMP))
    return moment and moment.replace(tzinfo=None)


def _irregular(folder: Path):
    """Yields names that nbgrader must not copy: it would follow a link to anywhere."""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                regular = stat.S_ISREG(os.lstat(os.path.join(place, name)).st_mode)
            except OSError:
                regular = False
            if not regular:
                yield name


class IsolatedExecute(NbGraderPreprocessor):
    """Takes the place of nbgrader's `Execute`: our worker runs what was handed in."""

    def preprocess(self, nb, resources):
        student, run = resources["nbgrader"]["student"], self.parent.run
        outcome = run.outcome(student)
        result = outcome.graded.result
        written.keep(run.grader.workplace, run.assignment, [result])
        self.log.info("%s: %s, %g points", student, result.status, result.score)
        for note in [result.message, *result.repairs, *result.flags]:
            if note:
                self.log.warning("%s: %s", student, note)
        pictures = pictures_for(outcome, run.grader)
        return autograded_notebook(outcome, run.grader, pictures), resources


class SaveScores(SaveAutoGrades):
    """nbgrader's, but what a person decided is asked again only where it changed."""

    def preprocess_cell(self, cell, resources, cell_index):
        if not is_grade(cell):
            return super().preprocess_cell(cell, resources, cell_index)
        names = self.notebook_id, self.assignment_id, self.student_id
        grade = self.gradebook.find_grade(cell.metadata.nbgrader.grade_id, *names)
        asked = grade.needs_manual_grade
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        grade.needs_manual_grade = asked
        answer = cell.source if is_solution(cell) else ""
        settle(self.gradebook, grade, determine_grade(cell)[0], answer)
        self.gradebook.db.commit()
        return cell, resources


class CoursePenalty(LateSubmissionPlugin):
    """Late penalties by course.toml's rules."""

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        assigned: AssignLatePenalties = self.parent
        course: Course = assigned.parent.run.course
        if course.assignment(assigned.assignment_id).due is None:
            return None
        submission = assigned.gradebook.find_submission(
            assigned.assignment_id, student_id
        )
        return course.late.penalty(total_seconds_late, submission.max_score) or None


class LatePenalties(AssignLatePenalties):
    """nbgrader's, with the extensions that course.toml grants.

    A penalty stays whole where it is more than the score: points that a person gives
    later would be free of it otherwise.
    """

    def _check_late_penalty(self, notebook, penalty):
        return penalty

    def preprocess(self, nb, resources):
        run: Run = self.parent.run
        told = resources["nbgrader"]
        with opened(told["db_url"], run.course.id) as gradebook:
            submission = gradebook.find_submission(told["assignment"], told["student"])
            set_deadline(submission, run.course, told["student"])
            gradebook.db.commit()
        return super().preprocess(nb, resources)


class Grades(GetGrades):
    """nbgrader's, for feedback; a penalty takes no more than there is."""

    def preprocess(self, nb, resources):
        nb, resources = super().preprocess(nb, resources)
        told = resources["nbgrader"]
        told["score"] = max(told["score"], 0.0)
        return nb, resources
