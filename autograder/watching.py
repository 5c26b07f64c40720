"""Ready-made parts at work: which of them a student's objects use while they answer.

Whatever the route to a class was, in the end its own methods run. They are wrapped
while a probe is answered, and what ran is told among the facts. Like every fact it is
self-reported: code that patches these wrappers is not seen by them. The reader of the
code (`ready_made`) is the other witness.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# What a class works by, where it has it itself: a subclass may enter in the middle.
METHODS = (
    "__init__",
    "call",
    "_compute_attention",
    "_calculate_scores",
    "_apply_scores",
)
GIVEN = "autograder.given"
# Functions that are imported by name are seen at what they call in turn.
BEHIND = {"keras.ops.dot_product_attention": ("keras.src.backend", "nn")}


@contextlib.contextmanager
def watch(names: Iterable[str]) -> Iterator[set[str]]:
    """Gives a set that fills with those of the named parts that run meanwhile.

    What such a part uses in turn is its own business.

    Args:
        names: dotted names of classes and functions; those of libraries that are not
            loaded are passed over.
    """
    named = tuple(names)
    seen: set[str] = set()
    running: list[str] = []
    with contextlib.ExitStack() as stack:
        for name in dict.fromkeys([*named, *(_given() if named else ())]):
            notes = seen if name in named else set(), running
            owner, last, part = _find(name)
            if inspect.isclass(part):
                for method in METHODS:
                    if method in vars(part):
                        _wrap(part, method, name, notes, stack)
            elif callable(part):
                _wrap(owner, last, name, notes, stack)
        yield seen


def _given() -> list[str]:
    """Returns the names of the given layers, whose inner parts are nobody's use."""
    given = sys.modules.get(GIVEN)
    return [f"{GIVEN}.{name}" for name in given.__all__] if given else []


def _find(name: str) -> tuple[Any, str, Any]:
    """Returns where a part is looked up, under which name, and the part."""
    module, _, last = name.rpartition(".")
    behind, *inner = BEHIND.get(name, (module,))
    owner = sys.modules.get(behind)
    for step in inner:
        owner = getattr(owner, step, None)
    return owner, last, getattr(owner, last, None)


def _wrap(owner: Any, attribute: str, name: str, notes: tuple, stack) -> None:
    seen, running = notes
    plain: Callable = vars(owner).get(attribute)
    if not inspect.isfunction(plain):
        return

    @functools.wraps(plain)
    def noted(*args, **kwargs):
        if not running:
            seen.add(name)
        running.append(name)
        try:
            return plain(*args, **kwargs)
        finally:
            running.pop()

    # Keras reads the signature, and not always through `__wrapped__`.
    noted.__signature__ = inspect.signature(plain)
    stack.callback(setattr, owner, attribute, plain)
    setattr(owner, attribute, noted)
