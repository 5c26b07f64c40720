"""Puts the bundled data into the wheel; all else stands in pyproject.toml.

The data lies beside the package, where people look for it, and setuptools packs only
what lies inside. So the build copies it: the registry, the files that it lists, and
each set's card and licence.
"""

import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATASETS = Path(__file__).parent / "datasets"
TARGET = Path("autograder", "bundled")


def bundled():
    """Returns the files to carry, as paths below `datasets/`."""
    registry = tomllib.loads((DATASETS / "registry.toml").read_text(encoding="utf-8"))
    files = [Path("registry.toml")]
    for listed in registry.values():
        if "wheel" not in listed:  # those are fetched
            path = Path(listed["file"])
            files += [path, path.with_name("README.md"), path.with_name("LICENSE")]
    return files


class BuildWithData(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self._data():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode=True):
        data = [] if self.editable_mode else [str(target) for _, target in self._data()]
        return super().get_outputs(include_bytecode) + data

    def _data(self):
        return [(DATASETS / f, Path(self.build_lib, TARGET, f)) for f in bundled()]


setup(cmdclass={"build_py": BuildWithData})
