"""The command line: `commands` has the commands, `grading` what they do to a class."""

from __future__ import annotations

import os
import sys

from autograder.cli.commands import app
from autograder.cli.grading import run
from autograder.course import CourseError
from autograder.nbgrading import tools_on_path
from autograder.safe import system_error

__all__ = ["app", "main", "run"]


def main() -> None:
    """Runs the command line; an error is one sentence and exit code 2."""
    from autograder.sandbox.host import ConfinementError

    tools_on_path()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        app()
    except (CourseError, ConfinementError) as error:
        print(f"autograder: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"autograder: {system_error(error)}", file=sys.stderr)
        sys.exit(2)
