"""What students meet in the notebook."""

from autograder.student.checking import check, hint
from autograder.student.packing import pack
from autograder.student.reuse import earlier, needs
from autograder.student.watch import watch

__all__ = ["check", "earlier", "hint", "needs", "pack", "watch"]
