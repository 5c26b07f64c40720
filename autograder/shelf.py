"""Layers that one probe has made and another can use, for nothing of the first is left.

Making and building a layer takes longer than most of what it is asked: a block with
two attentions 20 ms. So a layer stands on the shelf for the next probe where the last
one ended without an error and without a *trace*: the layer keeps no tensor, and its
attributes are the same objects as before, its lists as long, its variables of the same
value. One that remembers what it saw, rightly or not, leaves a trace, and each probe
has its own of it, as if no shelf were there.
"""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Hashable, Iterator, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

PLAIN = (bool, int, float, complex, str, bytes, types.NoneType)
CODE = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, type)
STILL = (*PLAIN, *CODE, types.ModuleType, inspect.Signature)
OWN = ("keras.", "autograder.given")  # layers that hold nothing but their variables
KNOWN = (*OWN, "tensorflow.python.trackable")  # bookkeeping
NODES = ("_inbound_nodes", "_outbound_nodes")  # the graphs that it was used in
DEEP, LONG = 5, 1000  # of lists within lists, and of one


class Opaque(Exception):
    """A layer holds what may change unseen."""


@dataclass(frozen=True)
class Use:
    """What a layer is made and built for."""

    made: Hashable
    """The class, its arguments, the dtype policy, the shapes of the first inputs."""
    paths: tuple[str, ...]
    """The weights that the probe gives numbers; none where it gives them to all."""


def use_of(target: type, spec: dict) -> Use:
    """Returns what a probe needs a layer for.

    Which mask comes along does not matter: a mask builds nothing.

    Args:
        target: the student's class.
        spec: the probe's, with `construct`, `weights` or `fill`, and a call.
    """
    call = spec["calls"][0]
    named = {k: v for k, v in call.get("kwargs", {}).items() if "mask" not in k}
    told = [spec["construct"], spec.get("global_policy"), spec.get("masks")]
    told += ["method" in spec, call.get("args"), named, call.get("dtype")]
    return Use((target, repr(_shaped(told))), tuple(spec.get("weights") or ()))


def _shaped(value: Any) -> Any:
    """Returns a tree with shapes and dtypes in place of arrays."""
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.str
    if isinstance(value, dict):
        return {name: _shaped(item) for name, item in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_shaped(item) for item in value]
    return value


class Shelf:
    """The layers of one conversation; each has a shelf of its own."""

    def __init__(self):
        self._kept: dict[Use, Any] = {}
        self._lent: list[tuple] = []
        self._graphs: dict[int, tuple] = {}

    def take(self, use: Use) -> Any:
        """Returns a layer that was made for the same use, or None.

        Whoever gives all weights numbers can have one whose weights others gave some.
        """
        for kept in self._kept:
            if kept.made == use.made and use.paths in (kept.paths, ()):
                return self._kept.pop(kept)
        return None

    def keep_graph(self, layer: Any, call: dict, graph: Any) -> None:
        """Keeps what a layer was traced into; who never gets that layer never asks."""
        self._graphs[id(layer)] = layer, repr(_shaped(call)), graph

    def graph_of(self, layer: Any, call: dict) -> Any:
        """Returns what a layer was traced into by a call of these shapes, or None."""
        _, known, graph = self._graphs.get(id(layer), (None, None, None))
        return graph if known == repr(_shaped(call)) else None

    def lend(self, use: Use, layer: Any, given: Set[int]) -> None:
        """Notes what a layer holds, now that it is built and before it is asked.

        Args:
            use: what it was made for.
            layer: a Keras layer.
            given: by identity, the variables that each probe of that use gives a value.
        """
        with contextlib.suppress(Exception):  # a student's objects may raise anything
            self._lent.append((use, layer, given, trace(layer, given)))

    def put_back(self) -> None:
        """Takes back what a probe, that ended well, left as it was."""
        for use, layer, given, before in self._lent:
            with contextlib.suppress(Exception):
                if _same(trace(layer, given), before):
                    self._kept[use] = layer
        self.forget()

    def forget(self) -> None:
        """Gives up what a probe had that did not end well."""
        self._lent.clear()


# --- what a layer holds -----------------------------------------------------------


def trace(layer: Any, given: Set[int]) -> list:
    """Returns what must be the same afterwards, in an order that is the same.

    Args:
        layer: a built one.
        given: as in `Shelf.lend`.

    Raises:
        Opaque: that cannot be told.
    """
    import keras

    layers = list(layer._flatten_layers())
    found: list = list(layers)
    for one in layers:
        if not type(one).__module__.startswith(OWN):
            for name, value in vars(one).items():
                if name not in NODES:
                    found += [name, *_parts(value)]
    seeds = {id(s.state) for one in layers for s in one._seed_generators}
    for variable in layer.variables:
        if id(variable) not in given | seeds:
            found.append(keras.ops.convert_to_numpy(variable))
    return found


def _parts(value: Any, depth: int = 0) -> Iterator:
    """Yields a value, and what is in it if it is a list or the like."""
    import keras

    yield value
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        if depth > DEEP or len(value) > LONG:
            raise Opaque
        for part in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from _parts(part, depth + 1)
    elif isinstance(value, keras.metrics.Metric) or not (
        isinstance(value, (*STILL, keras.layers.Layer, keras.Variable))
        or type(value).__module__.startswith(KNOWN)
    ):
        raise Opaque


def _same(one: list, other: list) -> bool:
    return len(one) == len(other) and all(map(_equal, one, other))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.tobytes() == other.tobytes()
    if isinstance(one, PLAIN):
        return type(one) is type(other) and one == other
    return one is other
