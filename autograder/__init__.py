"""The students' face: `check`, ask for a `hint`, use `earlier` work, `pack` it all.

Figures and trainings say what they need (`needs`) and `watch` a layer attend.
"""

__version__ = "0.1.0"
__all__ = ["check", "earlier", "hint", "needs", "pack", "watch"]


def __getattr__(name: str):
    # Imported on demand: the grader's side uses this package without Keras.
    if name in __all__:
        from autograder import student

        return getattr(student, name)
    raise AttributeError(f"module 'autograder' has no attribute {name!r}")
