"""Where in the student's code an error belongs that was raised at its door."""

from __future__ import annotations

import inspect
import linecache
import os
import re
from collections.abc import Iterable
from typing import Any

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_CALLED = re.compile(r"(\w+)\(\)")  # "call() got an unexpected keyword argument"


def add_places(answers: Iterable[dict], objects: Iterable[Any]) -> None:
    """Gives errors without a line of the student's the line of the definition.

    A call with arguments that a function does not take fails before its first line.
    """
    for answer in answers:
        error = answer["error"]
        if error and not error["lines"] and error["type"] != "Refusal":
            error["lines"] = _place(error["message"], objects)


def _place(message: str, objects: Iterable[Any]) -> list[list]:
    called = _CALLED.findall(message)
    for thing in objects:
        try:
            code = _code_of(thing, called)
        except BaseException:  # what a student wrote answers as it likes
            continue
        if code is not None and not code.co_filename.startswith(_OURS):
            line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
            return [[code.co_filename, code.co_firstlineno, line[:200]]]
    return []


def _code_of(thing: Any, called: list[str]):
    """Returns the code of a function, or of the method of a class that was called."""
    if inspect.isclass(thing):
        own = vars(thing)
        names = [n for n in called if n in own] or ["call", "__init__"]
        thing = next((own[n] for n in names if n in own), None)
    return getattr(inspect.unwrap(thing), "__code__", None) if thing else None
