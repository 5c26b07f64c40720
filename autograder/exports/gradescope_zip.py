"""`autograder.zip`: all that Gradescope needs to grade one assignment.

Gradescope unpacks it into `/autograder/source`, runs `setup.sh` once, as root, while
it builds an image, and `run_autograder` in a fresh copy of that image for every
submission. The hidden questions are answered while the image is built; their seed
comes along, so that Gradescope asks what is asked here.

Source: Gradescope's documentation for autograder developers, “Technical details”.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autograder import records
from autograder.course import FILE_NAME, Course, CourseError

PROJECT = f"{FILE_NAME} pyproject.toml setup.py MANIFEST.in README.md LICENSE".split()
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
SEED = "seed"

SETUP = """\
#!/usr/bin/env bash
# Run once, as root, while Gradescope builds the image.
set -euo pipefail
export PYTHONWARNINGS=ignore
root="${AUTOGRADER_ROOT:-/autograder}"
cd "$root/source"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3 python3-venv \\
    libseccomp2 fonts-dejavu-core >/dev/null
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv >/dev/null
fi
for python in python3.13 python3.12 python3.11 python3; do
  "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
    break
done
"$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --quiet --upgrade pip
"$root/venv/bin/python" -m pip install --quiet --editable '.[cpu,staff]' \\
  --constraint constraints/staff.txt
"$root/venv/bin/autograder" gradescope NAME --root "$root" --prepare
"""
RUN = """\
#!/usr/bin/env bash
# Run for every submission, in a fresh copy of the image.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
cd "$root/source"
exec "$root/venv/bin/autograder" gradescope NAME --root "$root"
"""


def write_zip(course: Course, assignment: str, seed: int, path: Path) -> None:
    """Writes the archive; the same course and seed give the same bytes.

    It holds the assignment's solution and the seed: it is for the staff alone.

    Raises:
        CourseError: something that belongs into it is missing.
    """
    scripts = {"setup.sh": SETUP, "run_autograder": RUN}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in scripts.items():
            _add(archive, name, text.replace("NAME", assignment).encode(), 0o755)
        _add(archive, SEED, f"{seed}\n".encode(), 0o600)
        for file in sorted(_files(course, assignment)):
            name = file.relative_to(course.root).as_posix()
            try:
                _add(archive, name, file.read_bytes(), 0o644)
            except FileNotFoundError as error:
                raise CourseError(
                    f"{name} is missing, which belongs into autograder.zip; make the "
                    "archive in a whole checkout of the course."
                ) from error
    records.write_bytes(path, packed.getvalue())


def _files(course: Course, assignment: str) -> Iterator[Path]:
    yield from (course.root / name for name in PROJECT)
    yield course.root / "constraints" / "staff.txt"
    yield course.release(assignment)
    for folder in ("autograder", "datasets", f"solutions/{assignment}"):
        for file in (course.root / folder).rglob("*"):
            if file.is_file() and not LEFT_OUT & set(file.parts):
                yield file


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name)  # without a time of its own: 1980
    entry.external_attr = (0o100000 | mode) << 16
    archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
