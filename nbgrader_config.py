"""nbgrader's view of this course; the facts come from course.toml."""

c = get_config()  # noqa: F821 - nbgrader provides it

# Student code runs in our worker, never in a kernel. These are names and stand before
# all else: if what follows fails, nbgrader must not fall back on its own execution.
ours = "autograder.gradebook.autograding"
nbgraders = "nbgrader.preprocessors"
c.Autograde.exporter_class = f"{ours}.SubmissionExporter"
c.Autograde.autograde_preprocessors = [
    f"{ours}.IsolatedExecute",
    f"{nbgraders}.LimitOutput",
    f"{ours}.SaveScores",
    f"{ours}.LatePenalties",
    f"{nbgraders}.CheckCellMetadata",
]
c.AssignLatePenalties.plugin_class = f"{ours}.CoursePenalty"
c.GenerateFeedback.preprocessors = [
    f"{ours}.Grades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
c.OverwriteCells.add_missing_cells = True
# `nbgrader validate` runs a student's notebook in a kernel, trainings and all.
c.Execute.timeout = 600
c.Execute.iopub_timeout = 60
# What a student wrote in words is shown without live HTML.
c.HTMLExporter.filters = {"markdown2html": "autograder.gradebook.inert_html.markdown"}

from pathlib import Path  # noqa: E402

from autograder.authoring.generating import configure  # noqa: E402
from autograder.authoring.release import write_sources  # noqa: E402
from autograder.course import load_course  # noqa: E402
from autograder.nbgrading import tools_on_path  # noqa: E402

tools_on_path()
course = load_course(Path(__file__).parent)
c.CourseDirectory.root = str(course.root)
c.CourseDirectory.course_id = course.id
c.CourseDirectory.db_url = course.gradebook_url
c.CourseDirectory.release_directory = "assignments"
# `nbgrader generate_assignment` makes what `autograder build` makes, from source/,
# which is written here from solutions/ whenever that has changed.
configure(c)
write_sources(course)
