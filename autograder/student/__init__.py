"""What students meet in the notebook."""

from autograder.student.checking import check, hint

__all__ = ["check", "hint"]
