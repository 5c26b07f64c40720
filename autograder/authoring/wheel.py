"""The students' wheel: the package as it is published, the same bytes every time."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from autograder.course import Course, CourseError

EPOCH = 1497225600  # 2017-06-12, the day of the first lecture's paper
PARTS = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
BUILD = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
UNWANTED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "build")


def build_wheel(course: Course) -> tuple[str, bytes]:
    """Returns the wheel's file name and bytes.

    It is made from a copy: what lies in the checkout's `build/`, and the exercises and
    records of assignments that course.toml does not list, are no part of it.

    Raises:
        CourseError: it cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-wheel-") as folder:
        copy, out = Path(folder, "course"), Path(folder, "out")
        _copy(course, copy)
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(out)],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
            capture_output=True,
            text=True,
        )
        wheels = list(out.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            last = (done.stderr.strip() or "no wheel came out").splitlines()[-1]
            raise CourseError(
                f"The wheel cannot be built ({last}); install setuptools 77 or newer, "
                "as `make` does."
            )
        return wheels[0].name, _repacked(wheels[0].read_bytes())


def _copy(course: Course, target: Path) -> None:
    """Copies what the wheel is made of, and nothing of unlisted assignments."""
    shutil.copytree(course.root / "autograder", target / "autograder", ignore=UNWANTED)
    shutil.copytree(course.root / "datasets", target / "datasets", ignore=UNWANTED)
    for part in PARTS:
        shutil.copy(course.root / part, target / part)
    listed = {assignment.name for assignment in course.assignments}
    package = target / "autograder"
    for path in [*package.glob("exercises/*.py"), *package.glob("public/*")]:
        if not path.name.startswith("_") and path.stem not in listed:
            path.unlink()


def _repacked(data: bytes) -> bytes:
    """Returns a wheel whose bytes tell nothing of clock, umask or order."""
    import time

    moment = time.gmtime(EPOCH)[:6]
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for name in sorted(source.namelist()):
            member = zipfile.ZipInfo(name, moment)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system, member.external_attr = 3, 0o100644 << 16
            target.writestr(member, source.read(name))
    return out.getvalue()
