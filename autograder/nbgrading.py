"""What nbgrader needs of its surroundings."""

from __future__ import annotations

import os
import sysconfig
import warnings


def tools_on_path() -> None:
    """Puts this environment's programs on PATH: nbgrader calls `alembic` by name."""
    # Its models are written for an older SQLAlchemy, which says so at length.
    warnings.filterwarnings("ignore", module=r"nbgrader\.api")
    scripts = sysconfig.get_path("scripts")
    path = os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + path
