"""What nbgrader needs of its surroundings."""

from __future__ import annotations

import os
import sysconfig


def tools_on_path() -> None:
    """Puts this environment's programs on PATH: nbgrader calls `alembic` by name."""
    scripts = sysconfig.get_path("scripts")
    path = os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + path
