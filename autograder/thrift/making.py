"""Making a layer: its attributes and signatures, its variables, their first numbers."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import Callable

import numpy as np


def nameless(made: Callable) -> Callable:
    """Has all variables of one shape and dtype use one kernel.

    TensorFlow's `VarHandleOp` (2.21, `resource_variable_ops.py`) takes the variable's
    name as `debug_name`, and eager execution looks kernels up by their attributes: as
    names differ, every variable gets a kernel of its own, in about 0.4 ms, which is
    more than all else that making it costs. The name is for error texts alone; which
    variable it is, the handle says.

    Raises:
        ValueError: this TensorFlow takes no such name.
    """
    if "debug_name" not in inspect.signature(made).parameters:
        raise ValueError("no debug_name")

    @functools.wraps(made)
    def nameless(*args, debug_name: str = "", **named):
        return made(*args, **named)

    return nameless


class _StandIn:
    """A module as Keras uses it; who inherits does some of it in another way."""

    def __init__(self, module: types.ModuleType):
        self._module = module

    def __getattr__(self, name: str):
        return getattr(self._module, name)


class Remembering(_StandIn):
    """The module `inspect`, as Keras uses it: a signature is worked out once.

    Keras asks four times for each layer, of the class's `__init__`, `call` and `build`.
    """

    def signature(self, asked: Callable) -> inspect.Signature:
        """Returns a function's signature, or a method's, which is without `self`."""
        bound = type(asked) is types.MethodType
        function = asked.__func__ if bound else asked
        if not _plain(function):
            return inspect.signature(asked)
        return _signature(function, bound)

    def getfullargspec(self, asked: Callable) -> inspect.FullArgSpec:
        return _full_argspec(asked) if _plain(asked) else inspect.getfullargspec(asked)


def _plain(function: object) -> bool:
    """Is it a function as `def` makes it, which nothing was set on?"""
    return type(function) is types.FunctionType and not vars(function)


@functools.lru_cache(1000)
def _signature(function: types.FunctionType, bound: bool) -> inspect.Signature:
    asked = types.MethodType(function, object()) if bound else function
    return inspect.signature(asked)


_full_argspec = functools.lru_cache(1000)(inspect.getfullargspec)


# What Keras 3.15 and TensorFlow 2.21 keep of their own about a layer, in lists, sets
# and dictionaries that never hold a layer or a variable.
KEPT = frozenset(
    """_tracked _inbound_nodes _outbound_nodes _losses _loss_ids _losses_override
    _call_context_args _call_has_context_arg call_signature_parameters
    _build_shapes_dict _self_unconditional_checkpoint_dependencies
    _self_unconditional_dependency_names _self_unconditional_deferred_dependencies
    _self_name_based_restores _self_saveable_object_factories""".split()
)
# A tracker's own lists, which hold them; a layer gets these while nothing is tracked.
FILLED = frozenset(
    """_trainable_variables _non_trainable_variables _layers _metrics
    _seed_generators""".split()
)
WRAPPED = frozenset(["build", "quantize"])  # each layer's, in its class's place
PROPERTIES = frozenset(["input_spec", "supports_masking"])
_NOTHING = object()


def untracked(put: Callable) -> Callable:
    """Has a layer's attribute that holds no variable and no layer simply put there.

    Keras and TensorFlow look for one in each of a layer's fifty, at half of what making
    a layer costs. Where a class has something of its own under that name, they do as
    ever.
    """
    import keras
    from keras.src.utils.tracking import is_tracking_enabled

    plain = {bool, int, float, str, type(None), types.FunctionType, inspect.Signature}
    plain |= {keras.DTypePolicy, keras.InputSpec}
    plain |= {c for c in vars(keras.initializers).values() if isinstance(c, type)}
    own = {name: vars(keras.Layer)[name] for name in PROPERTIES}

    def needs_no_look(layer, name: str, value) -> bool:
        if "_tracker" not in vars(layer):  # Keras makes it at the first attribute
            return False
        if name in KEPT or (name in FILLED and not is_tracking_enabled()):
            return True
        if type(value) not in plain:
            return False
        if name in WRAPPED:
            return type(value) is types.FunctionType
        return getattr(type(layer), name, _NOTHING) is own.get(name, _NOTHING)

    @functools.wraps(put)
    def untracked(layer, name: str, value) -> None:
        if needs_no_look(layer, name, value):
            object.__setattr__(layer, name, value)
        else:
            put(layer, name, value)

    return untracked


class Numbers(_StandIn):
    """The modules `random` and `ops`, as Keras' initializers use them, by NumPy.

    Uniform numbers are as evenly spread, and the same from the same seed. TensorFlow's
    take twelve operations, a quarter of what a `Dense` layer costs.
    """

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        if not _is_usual(shape, dtype) or type(seed) is not int:
            return self._module.uniform(shape, minval, maxval, dtype, seed)
        drawn = np.random.default_rng(seed).uniform(minval, maxval, shape)
        return _constant(drawn)

    def zeros(self, shape, dtype=None):
        if not _is_usual(shape, dtype):
            return self._module.zeros(shape, dtype)
        return _constant(np.zeros(shape))

    def ones(self, shape, dtype=None):
        if not _is_usual(shape, dtype):
            return self._module.ones(shape, dtype)
        return _constant(np.ones(shape))


def _is_usual(shape: object, dtype: str | None) -> bool:
    import tensorflow as tf

    if dtype != "float32" or type(shape) not in (list, tuple):
        return False
    sizes = all(type(size) is int and size >= 0 for size in shape)
    return sizes and tf.executing_eagerly()


def _constant(numbers: np.ndarray):
    import tensorflow as tf

    return tf.constant(numbers.astype("float32"))


def at_once(initialize: Callable) -> Callable:
    """Makes TensorFlow's variable of a value that is there.

    Outside of graphs and strategies, `tf.Variable` opens seven scopes and asks eight
    times where it is: 60 of its 100 us. The first one is compared with TensorFlow's
    own: if that holds anything else, all are TensorFlow's.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import gen_resource_variable_ops as operations
    from tensorflow.python.ops import resource_variable_ops as resources

    def made(variable, value):
        """Does what `ResourceVariable._init_from_args` does outside of graphs."""
        name = context.context().scope_name + variable.name
        own = resources.ResourceVariable.__new__(resources.ResourceVariable)
        own._in_graph_mode = False
        handle = resources.eager_safe_variable_handle(
            value, value.shape, None, variable.name, False
        )
        handle._parent_trackable = weakref.ref(own)
        handle._name, handle._unique_id = f"{name}:0", f"{name}_{ops.uid()}"
        operations.assign_variable_op(handle, value)
        resources.BaseResourceVariable.__init__(
            own,
            trainable=variable.trainable,
            shape=value.shape,
            dtype=value.dtype,
            handle=handle,
            synchronization=variable._map_synchronization(variable.synchronization),
            aggregation=variable._map_aggregation(variable.aggregation),
            name=f"{name}/",
            unique_id=handle._unique_id,
            handle_name=name,
        )
        return own

    def usual(variable) -> bool:
        return (
            variable._dtype == "float32"
            and tf.executing_eagerly()
            and not tf.distribute.has_strategy()
            and not ops.get_default_graph()._variable_creator_stack
        )

    def alike(variable, value) -> bool:
        with contextlib.suppress(Exception):  # another TensorFlow has other attributes
            return vars(made(variable, value)).keys() == vars(variable._value).keys()
        return False

    known: list[bool] = []

    @functools.wraps(initialize)
    def initialized(variable, value):
        if known == [False] or not usual(variable):
            return initialize(variable, value)
        number = value() if callable(value) else value
        if type(number) is not ops.EagerTensor or number.dtype != tf.float32:
            return initialize(variable, number)
        if known:
            variable._value = made(variable, number)
            return None
        initialize(variable, number)
        known.append(alike(variable, number))

    return initialized


def directly(assign: Callable) -> Callable:
    """Assigns what has a variable's shape already, for Keras has looked, and its dtype.

    TensorFlow casts it, looks again, and hands on a way to read the variable.
    """
    import tensorflow as tf
    from tensorflow.python.framework.ops import EagerTensor

    @functools.wraps(assign)
    def assigned(variable, value):
        own = variable._value
        if type(value) is EagerTensor and value.dtype == own.dtype:
            tf.raw_ops.AssignVariableOp(resource=own.handle, value=value)
        else:
            assign(variable, value)

    return assigned
