"""`pack`: the notebook, tried from top to bottom, as the file to hand in."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from autograder import exercises, receipt, records
from autograder.exercise import Exercise
from autograder.safe import system_error
from autograder.student.display import Notice
from autograder.student.fresh_run import PACKING, FreshRun, run_fresh

FOLDER = "handin"
EMPTY = "YOUR ANSWER HERE"
SECONDS = 1200
SAVE_SECONDS = 4.0
MAX_WARNINGS = 8
# JupyterLab lets no kernel save a notebook, but it obeys the keyboard. In browsers
# where that is not so, the student is asked to save.
PRESS_SAVE = """
for (const ctrlKey of [true, false])
  (document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown",
    {key: "s", code: "KeyS", keyCode: 83, ctrlKey, metaKey: !ctrlKey, bubbles: true}));
"""


class PackError(Exception):
    """Nothing was packed; the message says why, and what to do."""


@dataclass
class Packed:
    """What was packed; a notebook shows it as a card, a terminal as text."""

    path: Path
    results: list[dict[str, Any]]
    warnings: list[str] = field(default_factory=list)
    sha256: str = ""

    def __repr__(self) -> str:
        return "\n".join([self.headline, *(f"  ! {w}" for w in self._told)])

    def _repr_html_(self) -> str:
        told = "".join(f"<li>{escape(text)}</li>" for text in self._told)
        color = "#b7791f" if told else "#1b8a5a"
        style = f"border-left:4px solid {color};padding:.3em .9em;max-width:46em"
        head = f"<p><b>{escape(self.headline)}</b></p>"
        return f'<div role="status" style="{style}">{head}<ul>{told}</ul></div>'

    @property
    def headline(self) -> str:
        """What to do next, in one line."""
        passed = sum(result["passed"] for result in self.results)
        after = "Look at this first" if self.warnings else "All is in it"
        checks = f"{passed} of {len(self.results)} exercises pass their checks"
        return (
            f"Packed: hand in {self.path} (receipt {self.sha256[:8]}). "
            f"{after}{f'; {checks}' if self.results else ''}."
        )

    @property
    def _told(self) -> list[str]:
        more = len(self.warnings) - MAX_WARNINGS
        return self.warnings[:MAX_WARNINGS] + ([f"and {more} more"] if more > 0 else [])


def pack(
    assignment: str | None = None, *, run: bool = True, seconds: float = SECONDS
) -> Packed | Notice:
    """Writes the file to hand in, and says what is missing in it.

    The notebook is saved where the browser lets us, run from top to bottom in a fresh
    process on this machine, and written to `handin/` with a receipt: a hash of its
    cells, versions, and what the public checks say. On Colab it is downloaded.

    Args:
        assignment: its name; found in the notebook where none is given.
        run: whether to run the notebook.
        seconds: how long that may take.
    """
    if PACKING in os.environ or os.environ.get("NBGRADER_EXECUTION"):
        return Notice("Not packed: another program is running this notebook.")
    try:
        tree, folder, notes = _own_notebook(assignment)
        packed = _pack(tree, folder, assignment, run, seconds, _show_progress)
    except (PackError, OSError) as error:
        return Notice(str(error))
    packed.warnings[:0] = notes
    _download(packed.path)
    return packed


def pack_file(path: Path, *, run: bool = True, seconds: float = SECONDS) -> Packed:
    """Packs a notebook's file, as the command `autograder pack` does.

    Raises:
        PackError: it is no notebook of this course; the message says what to do.
        OSError: it cannot be read, or the packed one cannot be written.
    """
    return _pack(_read(path), path.parent, None, run, seconds, _show_progress)


def _pack(
    tree: dict,
    folder: Path,
    assignment: str | None,
    run: bool,
    seconds: float,
    progress: Callable[[int, int], None],
) -> Packed:
    cells = list(_cells(tree))
    name = assignment or _assignment_of(tree, cells)
    if name not in exercises.names():
        known = ", ".join(exercises.names())
        raise PackError(f"There is no assignment {name!r}; name one of {known}.")
    asked = exercises.load(name)
    code = [source for kind, source in cells if kind == "code"]
    ran = run_fresh(code, name, folder, seconds, progress) if run else FreshRun()
    sha256 = receipt.fingerprint(cells)
    tree = {**tree, "metadata": dict(tree.get("metadata") or {})}
    tree["metadata"][receipt.KEY] = {
        "receipt": {
            "schema_version": receipt.SCHEMA_VERSION,
            "assignment": name,
            "sha256": sha256,
            "packed_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "run": ran.outcome,
            "versions": ran.versions,
            "results": [
                {k: r[k] for k in ("id", "passed", "score", "max_score")}
                for r in ran.results
            ],
        }
    }
    place = folder if folder.name == FOLDER else folder / FOLDER
    path = place / f"{name}.ipynb"
    records.write_text(path, json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    warnings = [*ran.warnings(), *_missing(asked, tree, ran)]
    return Packed(_short(path), ran.results, warnings, sha256)


def _short(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd().resolve())
    except ValueError:
        return path


# --- what is in the notebook ------------------------------------------------------


def _read(path: Path) -> dict:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict) or not isinstance(tree.get("cells"), list):
        raise PackError(
            f"{path} is no notebook that can be read; open it in Jupyter or Colab, "
            "save it there as .ipynb, and pack it again."
        )
    return tree


def _cells(tree: dict) -> Iterator[tuple[str, str]]:
    """Yields the type and source of each cell."""
    for cell in tree["cells"]:
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        yield str(cell.get("cell_type")) if isinstance(cell, dict) else "code", text


def _grade_id(cell: Any) -> str | None:
    try:
        return cell["metadata"]["nbgrader"]["grade_id"]
    except (KeyError, TypeError):
        return None


def _assignment_of(tree: dict, cells: list[tuple[str, str]]) -> str:
    """Returns the assignment whose exercises are in a notebook; raises `PackError`."""
    ids = {str(_grade_id(cell)) for cell in tree["cells"]}
    text = "\n".join(source for _, source in cells)
    found = {
        name: sum(
            exercise.id in ids or f'"{exercise.id}"' in text
            for exercise in exercises.load(name)
        )
        for name in exercises.names()
    }
    best = max(found, key=lambda name: found[name])
    if not found[best]:
        raise PackError(
            "None of the course's exercises is in this notebook; open the assignment's "
            "notebook and pack that one."
        )
    return best


def _missing(asked: list[Exercise], tree: dict, ran: FreshRun) -> Iterator[str]:
    """Yields what is not written yet, and what does not pass."""
    results = {result["id"]: result for result in ran.results}
    for exercise in asked:
        if exercise.manual:
            if _unanswered(exercise, tree):
                yield f"{exercise.id}: the answer in words is not written yet."
        elif exercise.id in results:
            result = results[exercise.id]
            if not result["written"]:
                yield f"{exercise.id}: not written yet."
            elif not result["passed"]:
                yield f"{exercise.id}: does not pass all its checks yet."


def _unanswered(exercise: Exercise, tree: dict) -> bool:
    for cell, (_, source) in zip(tree["cells"], _cells(tree), strict=True):
        own = _grade_id(cell) == exercise.id
        if source.strip() == EMPTY or (own and not source.strip()):
            return True
    return False


# --- where the notebook is --------------------------------------------------------


def _own_notebook(assignment: str | None) -> tuple[dict, Path, list[str]]:
    """Returns the notebook that calls, its folder, and what to know of it."""
    tree = _from_colab()
    if tree is not None:
        return tree, Path.cwd(), []
    path = _own_path(assignment)
    _ask_to_save(path)
    tree = _read(path)
    return tree, path.parent, list(_unsaved(assignment, tree))


def _from_colab() -> dict | None:
    """Returns the notebook as Colab's page has it, or None elsewhere."""
    try:
        from google.colab import _message
    except ImportError:
        return None
    try:
        tree = _message.blocking_request("get_ipynb", request="", timeout_sec=60)
        return tree["ipynb"] if isinstance(tree["ipynb"]["cells"], list) else None
    except Exception:
        raise PackError(
            "Colab did not hand over the notebook. Save it (File, Save), run this "
            "again, or hand in what File, Download, Download .ipynb gives."
        ) from None


def _download(path: Path) -> None:
    try:
        from google.colab import files
    except ImportError:
        return
    try:
        files.download(str(path))
    except Exception:
        print(f"Colab did not download it: open Files on the left, then {path}.")


def _own_path(assignment: str | None) -> Path:
    """Returns the file of the notebook that calls; raises `PackError`."""
    shell = _shell()
    told = [os.environ.get("JPY_SESSION_NAME")]  # by Jupyter, then by VS Code
    told.append(shell.user_ns.get("__vsc_ipynb_file__") if shell else None)
    told += [f"{assignment}.ipynb"] if assignment else []
    for name in told:
        if isinstance(name, str) and name.endswith(".ipynb") and Path(name).is_file():
            return Path(name)
    near = sorted(Path.cwd().glob("*.ipynb"))
    if assignment:
        near = [path for path in near if path.name.startswith(assignment)]
    if len(near) == 1:
        return near[0]
    name = assignment or "notebook"
    raise PackError(
        f"Not packed: this notebook's file was not found in {Path.cwd()}. Save it "
        f"there as {name}.ipynb, or pack it in a terminal: autograder pack {name}.ipynb"
    )


def _shell():
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _ask_to_save(path: Path) -> None:
    """Has the browser save, and waits for it a few seconds."""
    import time

    shell = _shell()
    if shell is None or not hasattr(shell, "kernel"):
        return
    from IPython.display import Javascript, display

    before = path.stat().st_mtime_ns
    display(Javascript(PRESS_SAVE))
    ends = time.monotonic() + SAVE_SECONDS
    while time.monotonic() < ends and path.stat().st_mtime_ns == before:
        time.sleep(0.1)


def _unsaved(assignment: str | None, tree: dict) -> Iterator[str]:
    """Yields what was run last and is not in the file."""
    shell = _shell()
    ran = shell.user_ns.get("In", []) if shell else []
    saved = {source.strip() for _, source in _cells(tree)}
    asked = exercises.load(assignment) if assignment in exercises.names() else []
    for name in [name for exercise in asked for name in exercise.names]:
        made = re.compile(rf"^(?:def|class) {re.escape(name)}\b", re.MULTILINE)
        last = [c for c in ran if isinstance(c, str) and made.search(c)][-1:]
        if last and last[0].strip() not in saved:
            yield (
                f"{name} as you ran it last is not in the saved file: save (Ctrl+S), "
                "and pack again."
            )


def _show_progress(number: int, total: int) -> None:
    """Writes one line over and over."""
    end = "\n" if number >= total else ""
    told = "ran from top to bottom" if end else f"running cell {number + 1} of {total}"
    print(f"\r{told:<40}", end=end, flush=True)


# --- the command ------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Runs `autograder pack NOTEBOOK`: with nothing but what students have."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="autograder pack", description="Write the file to hand in."
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--no-run", action="store_true", help="do not run it first")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time limit")
    asked = parser.parse_args(arguments)
    try:
        packed = pack_file(asked.notebook, run=not asked.no_run, seconds=asked.seconds)
    except (PackError, OSError) as error:
        told = system_error(error) if isinstance(error, OSError) else error
        print(f"autograder: {told}", file=sys.stderr)
        return 2
    print(packed)
    return int(bool(packed.warnings))
