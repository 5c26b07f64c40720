"""The wheel carries the data, the records and the templates."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("autograder", "datasets", "pyproject.toml", "setup.py", "MANIFEST.in")
LOAD = """
import autograder, sys
from autograder.datasets import DatasetError, load_promoters, registry

(x, y), (x_test, y_test) = load_promoters()
print(autograder.__file__, registry.home(), len(x), len(x_test), y.mean())
path = registry.home() / registry.entry("lac_promoters").file
path.write_bytes(path.read_bytes()[:-1])
try:
    load_promoters()
except DatasetError as error:
    print(error)
"""


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_an_installed_wheel_loads_the_promoters(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (*SOURCES, "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, checkout, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    for folder, target in (
        ("autograder", "autograder"),
        ("datasets", "autograder/bundled"),
    ):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                due = f"{target}/{path.relative_to(ROOT / folder)}"
                unneeded = folder == "datasets" and (
                    path.suffix == ".py" or path.parent == ROOT / folder
                )
                assert due in carried or unneeded, due
    assert "autograder/bundled/registry.toml" in carried

    target = tmp_path / "installed"
    run(*pip, "install", "--no-deps", "--target", target, wheel, cwd=tmp_path)
    code = f"import sys; sys.path.insert(0, {str(target)!r})\n{LOAD}"
    told, error = run(sys.executable, "-c", code, cwd=tmp_path).splitlines()
    package = target / "autograder"
    assert told.split() == [
        str(package / "__init__.py"), str(package / "bundled"), "10000", "2000", "0.5",
    ]  # fmt: skip
    assert "cut off" in error and str(package / "bundled") in error
