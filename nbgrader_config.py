"""nbgrader's view of this course; the facts come from course.toml."""

from autograder.course import load_course
from autograder.nbgrading import tools_on_path

tools_on_path()
course = load_course()

c = get_config()  # noqa: F821 - nbgrader provides it
c.CourseDirectory.root = str(course.root)
c.CourseDirectory.course_id = course.id
c.CourseDirectory.db_url = f"sqlite:///{course.root / 'gradebook.db'}"
# The release notebooks are built by `autograder build`, into this folder.
c.CourseDirectory.release_directory = "assignments"
