"""What a student wrote: in an earlier assignment, or in this notebook further up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder import exercises
from autograder.exercise import Exercise
from autograder.judging import judge
from autograder.student.checking import ask, known_of, undisturbed

_right: dict[str, tuple[Any, ...]] = {}  # what passed, by exercise


class Unfinished(NotImplementedError):
    """A shown cell waits for an exercise; notebooks print the message alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


def needs(*written: Any) -> None:
    """Ends a cell in one line where what it is built from is not right yet.

    The public checks are put once to each; what passed is not asked again.

    Args:
        *written: classes and functions of this notebook, such as `EncoderBlock`.

    Raises:
        Unfinished: one of them does not pass its check.
    """
    named = {getattr(thing, "__name__", ""): thing for thing in written}
    for _, exercise in _every():
        if not exercise.names or not named.keys() >= set(exercise.names):
            continue
        own = tuple(named[name] for name in exercise.names)
        if _right.get(exercise.id) == own:
            continue
        with undisturbed():
            passed = _passes(exercise, dict(zip(exercise.names, own, strict=True)))
        if not passed:
            raise Unfinished(
                f"{', '.join(exercise.names)}: not right yet, and this cell is built "
                f'from it. Run check("{exercise.id}", …) above, then this cell again.'
            )
        _right[exercise.id] = own


def earlier(name: str, fallback: Any, folder: Path | str = ".") -> Any:
    """Returns what you wrote under a name in an earlier assignment's notebook.

    The notebook is looked for beside this one, and in the folder of its assignment
    beside this one's. Its given cells and the cells you wrote are run again, and
    yours is used where it passes every check.

    Args:
        name: the class or function, such as `"MultiHeadAttention"`.
        fallback: what to use otherwise, such as `given.MultiHeadAttention`.
        folder: where this notebook stands.

    Returns:
        Yours, or the fallback; one printed line says which, and why.
    """
    found, why = _find(name, Path(folder))
    if found is not None:
        print(f"{name}: yours, from {why}.")
        return found
    module = (getattr(fallback, "__module__", None) or "").split(".")[0]
    owner = "Keras' own" if module == "keras" else "the given one"
    print(f"{name}: {owner}, for {why}.")
    return fallback


def _find(name: str, folder: Path) -> tuple[Any, str]:
    """Returns the object and its notebook's name, or None and the reason."""
    match = next(((a, e) for a, e in _every() if name in e.names), None)
    if match is None:
        return None, "no assignment asks for it"
    assignment, exercise = match
    path = _notebook(assignment, folder)
    if path is None:
        return None, f"{assignment}.ipynb does not lie beside this notebook"
    try:
        namespace = _run(path)
        passes = _passes(exercise, namespace)
    except Exception as error:
        return None, f"{path.name} does not run ({type(error).__name__})"
    if not passes:
        return None, f"yours in {path.name} does not pass its checks yet"
    return namespace[name], path.name


def _every() -> Iterator[tuple[str, Exercise]]:
    """Yields every exercise of the course with its assignment."""
    return ((a, e) for a in exercises.names() for e in exercises.load(a))


def _notebook(assignment: str, folder: Path) -> Path | None:
    file = f"{assignment}.ipynb"
    folders = (folder, folder / assignment, folder.resolve().parent / assignment)
    return next((f / file for f in folders if (f / file).is_file()), None)


def _run(path: Path) -> dict[str, Any]:
    """Runs a notebook's given and written cells; returns the names they made."""
    namespace: dict[str, Any] = {"__name__": path.stem}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        marks = cell.get("metadata", {}).get("nbgrader", {})
        if cell["cell_type"] == "code" and marks and not marks.get("grade"):
            source = "".join(cell["source"])
            exec(compile(source, f"<{path.name}>", "exec"), namespace)
    return namespace


def _passes(exercise: Exercise, namespace: dict[str, Any]) -> bool:
    return judge(exercise, ask(exercise, namespace), known_of(exercise)).passed
