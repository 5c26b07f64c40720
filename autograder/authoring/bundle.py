"""`autograder bundle`: the course as students get it, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from autograder import exercises, records
from autograder.authoring.build import public_path
from autograder.authoring.course_map import course_map
from autograder.authoring.leaks import find_leaks, secret_lines, secret_values
from autograder.authoring.release import release_text
from autograder.authoring.wheel import EPOCH, build_wheel
from autograder.course import Course, CourseError

SUMS = "SHA256SUMS"
AGENTS = "AGENTS.md"
README = files("autograder.authoring") / "handout" / "README.md"
# Beside the wheel's own dependencies: what notebooks use, and what runs them.
NEEDED = ("babel", "jupyterlab", "scikit-learn", "keras", "tensorflow")
FROM_PIP = ("keras", "tensorflow")


def bundle(
    course: Course, target: Path, progress: Callable[[str], None] = lambda name: None
) -> list[str]:
    """Writes the public course to a folder, whole or not at all.

    A folder that holds an earlier bundle is replaced; a `.git` in it stays.

    Returns:
        The files, as paths below the folder.

    Raises:
        CourseError: something is stale, would leak, or stands in the way.
    """
    target = Path(os.path.abspath(target))
    _refuse_to_overwrite(target, course)
    made = public_files(course, progress)
    progress("looking for what must not be in it")
    leaks = find_leaks(made, secret_lines(course), secret_values(course))
    for name, origin in leaks:
        raise CourseError(
            f"{name} would tell students what stands in {origin}; take it out there."
        )
    sums = [f"{_sha256(data)}  {name}\n" for name, data in sorted(made.items())]
    made[SUMS] = "".join(sums).encode()
    _replace(target, made)
    return sorted(made)


def public_files(
    course: Course, progress: Callable[[str], None] = lambda name: None
) -> dict[str, bytes]:
    """Returns the bundle's files but for its list of sums, by path.

    Raises:
        CourseError: a notebook or its records are not what the sources build.
    """
    made: dict[str, bytes] = {}
    for assignment in course.assignments:
        progress(assignment.name)
        name = f"assignments/{assignment.name}/{assignment.name}.ipynb"
        made[name] = _fresh_notebook(course, assignment.name)
    agents = (course.root / "assignments" / AGENTS).read_bytes()
    made[AGENTS] = made[f"assignments/{AGENTS}"] = agents
    made |= dict(_data(course.root / "datasets"))
    made["LICENSE"] = (course.root / "LICENSE").read_bytes()
    progress("wheel")
    name, data = build_wheel(course)
    wheel = f"wheel/{name}"
    made[wheel] = data
    packages = _packages(course)
    made["environment.yml"] = _environment(course, packages, wheel).encode()
    made["README.md"] = _readme(course, packages, wheel).encode()
    return made


def _fresh_notebook(course: Course, assignment: str) -> bytes:
    path = course.release(assignment)
    built = release_text(course, assignment).encode()
    if not path.is_file() or path.read_bytes() != built:
        raise CourseError(
            f"{path} is not what its source builds; run `autograder build "
            f"{assignment}` and look at it first."
        )
    try:
        kept = records.read(public_path(course, assignment))["digest"]
    except (OSError, ValueError, KeyError):
        kept = None
    asked = [e for e in exercises.load(assignment) if not e.manual]
    if kept != exercises.digest(asked):
        raise CourseError(
            f"The public records of {assignment} are not those of its exercises; run "
            f"`autograder build {assignment}`."
        )
    return built


def _data(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the registry, the files that it lists, and their cards and licences."""
    listed = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))
    paths = {Path("README.md"), Path("registry.toml")}
    for entry in listed.values():
        if "wheel" not in entry:  # those are fetched
            path = Path(entry["file"])
            paths |= {path, path.with_name("README.md"), path.with_name("LICENSE")}
    for path in sorted(paths):
        yield f"datasets/{path.as_posix()}", (folder / path).read_bytes()


# --- pages ------------------------------------------------------------------------


def _packages(course: Course) -> list[str]:
    """Returns what students install, with bounds as pyproject.toml has them."""
    text = (course.root / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    known = [*extras["staff"], *extras["cpu"]]
    chosen = [*project["dependencies"]]
    for name in NEEDED:
        found = [d.partition(";")[0] for d in known if _name(d) == name]
        chosen.append(found[0].strip())
    return sorted(chosen)


def _name(requirement: str) -> str:
    return requirement.partition(";")[0].partition(">")[0].partition("[")[0].strip()


def _environment(course: Course, packages: list[str], wheel: str) -> str:
    conda = [p for p in packages if _name(p) not in FROM_PIP]
    pip = [p for p in packages if _name(p) in FROM_PIP]
    lines = [
        f"# {course.title}: conda env create -f environment.yml",
        f"name: {course.id}",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python>=3.11,<3.14",
        "  - pip",
        *(f"  - {package}" for package in conda),
        "  - pip:",
        *(f"      - {package}" for package in pip),
        f"      - ./{wheel}",
    ]
    return "\n".join(lines) + "\n"


def _readme(course: Course, packages: list[str], wheel: str) -> str:
    """Returns the students' page; badges where Colab can open the repository."""
    listed = []
    for assignment in course.assignments:
        path = f"assignments/{assignment.name}/{assignment.name}.ipynb"
        listed.append((assignment, path, course.badge(path)))
    templates = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    first = exercises.load(course.assignments[0].name)
    return (
        templates.from_string(README.read_text(encoding="utf-8")).render(
            course=course,
            assignments=listed,
            badged=all(badge for *_, badge in listed),
            course_map=course_map(course, badges=True),
            environment=course.id,
            packages=" ".join(f'"{p}"' if ">" in p else p for p in packages),
            wheel=wheel,
            example=next(e for e in first if not e.manual),
        )
        + "\n"
    )


# --- on disk ----------------------------------------------------------------------


def _refuse_to_overwrite(target: Path, course: Course) -> None:
    """Raises `CourseError` where the folder holds what no bundle wrote."""
    if course.root.is_relative_to(target):
        raise CourseError(f"{target} holds the course itself; name another folder.")
    if not target.exists() and not target.is_symlink():
        return
    if target.is_symlink() or not target.is_dir():
        raise CourseError(f"{target} is no folder; name another one.")
    strange = sorted(_found(target) - _listed(target))
    if strange:
        raise CourseError(
            f"{target} holds {strange[0]}, which no bundle wrote; name a new folder, "
            "or move that away."
        )


def _listed(target: Path) -> set[str]:
    """Returns what an earlier bundle wrote there."""
    try:
        lines = (target / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {SUMS, *(line.partition("  ")[2] for line in lines)}


def _found(target: Path) -> set[str]:
    """Returns what is there, git's own apart."""
    paths = [p for p in target.rglob("*") if p.is_symlink() or not p.is_dir()]
    names = {path.relative_to(target).as_posix() for path in paths}
    return {name for name in names if name.partition("/")[0] != ".git"}


def _replace(target: Path, made: dict[str, bytes]) -> None:
    """Writes the files beside the folder, then puts them in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
    new, old = Path(beside, "new"), Path(beside, "old")
    try:
        for name, data in made.items():
            _write(new / name, data)
        for folder in [new, *(p for p in new.rglob("*") if p.is_dir())]:
            folder.chmod(0o755)
            os.utime(folder, (EPOCH, EPOCH))
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
        if (old / ".git").exists():
            os.rename(old / ".git", target / ".git")
    except BaseException:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)
    os.utime(path, (EPOCH, EPOCH))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
