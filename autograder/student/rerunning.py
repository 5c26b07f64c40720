"""Runs a notebook from top to bottom in this process, which was started for it.

The cells come as JSON on standard input; what happens goes out as lines of JSON.
Whatever the notebook itself prints goes nowhere.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from typing import Any

SHOWN_ONLY = re.compile(r"^\s*%(matplotlib|config InlineBackend)\b.*$", re.MULTILINE)


def main() -> None:
    """Runs `{"cells": [source, …], "assignment": name}`, then checks its exercises."""
    job = json.loads(sys.stdin.buffer.read())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)

    def tell(**event: Any) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    shell = _shell()
    for number, source in enumerate(job["cells"]):
        tell(cell=number)
        done = shell.run_cell(SHOWN_ONLY.sub("", source), store_history=True)
        error = done.error_before_exec or done.error_in_exec
        if error is not None:
            unwritten = isinstance(error, NotImplementedError)
            tell(failed=number, error=_sentence(error), unwritten=unwritten)
    for result in _checked(job["assignment"], shell.user_ns):
        tell(result=result)
    tell(versions=_versions())


def _shell():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # the student's own history stays as it is
    return InteractiveShell.instance(config=config)


def _sentence(error: BaseException) -> str:
    """Returns what was raised, in a line of reasonable length."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text[:200]}" if text else name


def _checked(assignment: str, names: dict[str, Any]):
    """Yields each exercise's public result."""
    from autograder import exercises
    from autograder.student.checking import check

    for exercise in exercises.load(assignment):
        if exercise.manual:
            continue
        result = {"id": exercise.id, "max_score": exercise.points, "score": 0.0}
        result |= {"passed": False, "written": False}
        if all(name in names for name in exercise.names):
            report = check(exercise.id, *[names[name] for name in exercise.names])
            result["passed"] = bool(getattr(report, "passed", False))
            result["score"] = float(getattr(report, "score", 0.0))
            result["written"] = bool(getattr(report, "attempted", True))
        yield result


def _versions() -> dict[str, str]:
    import IPython
    import keras

    from autograder import __version__

    backend = keras.backend.backend()
    engine = sys.modules.get(backend)
    return {
        "autograder": __version__,
        "python": platform.python_version(),
        "ipython": IPython.__version__,
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": str(getattr(engine, "__version__", "")),
    }


if __name__ == "__main__":
    main()
