"""A probe put to an object, and what it answers.

This runs beside student code, in the sandbox or in the student's own notebook, and
knows questions only: it never imports the judge, and nothing here says what is
right. An answer is a tree (`records`) of three parts:

    {"error": None or {"type", "message", "lines"}, "facts": {…}, "arrays": {…}}
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import linecache
import logging
import os
import re
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograder.language import TooOften, next_token_logits
from autograder.shelf import Shelf, use_of
from autograder.thrift import thrifty
from autograder.watching import watch

Action = Callable[[dict, dict], tuple[dict, dict]]
ACTIONS: dict[str, Action] = {}
_shelf: ContextVar[Shelf] = ContextVar("shelf")
MESSAGE_LIMIT = 2000
RESULTS_LIMIT = 100


class Refusal(Exception):
    """The object cannot be asked this: a sentence that the student understands."""


def action(function: Action) -> Action:
    """Registers `function(spec, namespace) -> (facts, arrays)` under its name."""
    ACTIONS[function.__name__] = function
    return function


class Conversation:
    """Probes put one after the other, and what would be set up anew for each of them.

    Until it rests, what `thrifty` spares is spared, and the parts that the last probe
    named are watched: a notebook's own cells are to run while it rests.
    """

    def __init__(self):
        self._shelf = Shelf()
        self._open = contextlib.ExitStack()
        self._watched: tuple[str, ...] | None = None
        self._seen: set[str] = set()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *failure) -> None:
        self.rest()

    def ask(self, probe: dict, namespace: dict[str, Any]) -> dict:
        """Puts one probe to the objects in `namespace`; never raises.

        Args:
            probe: a tree with `action` and `spec`; with `watch` in it, the ready-made
                parts named there that ran are told as the fact `ready_made`.
            namespace: the notebook's names.

        Returns:
            The answer as a tree.
        """
        self._watch(tuple(probe.get("watch", ())))
        told = _answer(probe, namespace, self._shelf)
        if self._seen:
            told["facts"]["ready_made"] = sorted(self._seen)
        return told

    def _watch(self, names: tuple[str, ...]) -> None:
        if names != self._watched:
            self.rest()
            self._open.enter_context(thrifty())
            self._seen = self._open.enter_context(watch(names))
            self._watched = names
        self._seen.clear()

    def rest(self) -> None:
        """Puts everything back as it was, until the next probe."""
        self._open.close()
        self._watched = None


def answer(probe: dict, namespace: dict[str, Any]) -> dict:
    """Puts one probe, as `Conversation.ask` does."""
    with Conversation() as conversation:
        return conversation.ask(probe, namespace)


def _answer(probe: dict, namespace: dict[str, Any], shelf: Shelf) -> dict:
    before = _shelf.set(shelf)
    try:
        with plain_settings(), _quiet(), full_precision():
            facts, arrays = ACTIONS[probe["action"]](probe["spec"], namespace)
            shelf.put_back()
        return {"error": None, "facts": facts, "arrays": arrays}
    except BaseException as error:
        return {"error": describe(error), "facts": {}, "arrays": {}}
    finally:
        shelf.forget()
        _shelf.reset(before)


@contextlib.contextmanager
def plain_settings():
    """Keras as it comes, whatever the notebook set; afterwards as it was."""
    import keras

    _let_memory_grow(keras.backend.backend())
    config = keras.config
    before = config.dtype_policy(), config.floatx(), config.image_data_format()
    try:
        config.set_floatx("float32")
        config.set_dtype_policy("float32")
        config.set_image_data_format("channels_last")
        yield
    finally:
        policy, floatx, data_format = before
        config.set_floatx(floatx)
        config.set_dtype_policy(policy)
        config.set_image_data_format(data_format)


@functools.lru_cache
def _let_memory_grow(backend: str) -> None:
    """Keeps TensorFlow from taking a whole GPU at its first use."""
    if backend != "tensorflow":
        return
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        # Too late is no harm: the notebook has used it and chose by itself.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


@contextlib.contextmanager
def full_precision():
    """Turns TF32 off: its errors of 1e-3 would hide mistakes."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.config import experimental as settings

    before = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def _quiet():
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


# --- errors, told by the student's own lines --------------------------------------

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_LIBRARIES = tuple(
    os.path.join(folder, "")
    for folder in {
        os.path.dirname(os.__file__),
        os.path.dirname(os.path.dirname(np.__file__)),
    }
)
_KERAS_WRAPPER = re.compile(
    r"Exception encountered when calling .*?\n\n(.*?)\n\nArguments received by",
    re.DOTALL,
)
_ENCOUNTERED = re.compile(r"\A.*(?:Error|Exception) encountered: ?\s*", re.DOTALL)
_TENSORFLOW = re.compile(r"\{\{function_node [^}]*\}\} ?| ?\[Op:\w+\](?: name: ?\S*)?")
_TRACED = re.compile(r"in user code:\n\n(?:    .*\n)+?\n    [\w.]+: (.*)", re.DOTALL)
_FRAME = re.compile(r'^    File "(.+)", line (\d+), in ', re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def describe(error: BaseException) -> dict:
    """Returns an exception as facts: its type, its sentence, the student's lines."""
    name = type.__dict__["__name__"].__get__(type(error))  # a metaclass may lie
    text = _text(error)
    return {
        "type": str(name),
        "message": _sentence(text),
        "lines": _own_lines(error) or _traced_lines(text),
    }


def _text(error: BaseException) -> str:
    try:
        return _ANSI.sub("", str(error)[: 5 * MESSAGE_LIMIT])
    except BaseException:
        return ""


def _sentence(text: str) -> str:
    """Returns what went wrong, without what Keras and TensorFlow wrap around it."""
    traced = _TRACED.match(text)
    text = textwrap.dedent("    " + traced.group(1)) if traced else text
    wrapped = _KERAS_WRAPPER.search(text)
    text = wrapped.group(1) if wrapped else text
    text = text.split("\n\nArguments received by")[0]
    cause = _ENCOUNTERED.sub("", text)
    return _TENSORFLOW.sub("", cause or text).strip()[:MESSAGE_LIMIT]


def _own_lines(error: BaseException) -> list[list]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        [str(frame.filename), int(frame.lineno or 0), (frame.line or "").strip()[:200]]
        for frame in frames
        if _is_own(frame.filename)
    ]
    return own[-4:]


def _traced_lines(text: str) -> list[list]:
    """Returns the lines that AutoGraph tells in the text, for it keeps no frames."""
    if not _TRACED.match(text):
        return []
    told = [(name, int(number)) for name, number in _FRAME.findall(text)]
    own = [(name, number) for name, number in told if _is_own(name)]
    return [[n, i, linecache.getline(n, i).strip()[:200]] for n, i in own[-4:]]


def _is_own(filename: str) -> bool:
    ours = (_OURS, *_LIBRARIES, "<frozen", "<__array_function__")
    theirs = "site-packages", "dist-packages", "__autograph_generated_file"
    return not filename.startswith(ours) and not any(p in filename for p in theirs)


# --- making things ----------------------------------------------------------------


def find(spec: dict, namespace: dict[str, Any]) -> Any:
    """Returns the object that a probe is about, looked up by its name."""
    name = spec["target"]
    if name not in namespace:
        raise Refusal(f"There is no `{name}` in the notebook.")
    target = namespace[name]
    if not callable(target):
        raise Refusal(f"`{name}` cannot be called: it is {_a(type(target).__name__)}.")
    return target


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def make(spec: dict, namespace: dict[str, Any]) -> Callable:
    """Returns what the probe calls: the function, or a layer made of the class."""
    target = find(spec, namespace)
    if "construct" not in spec:
        return target
    # Without weights of the probe's it is not built before it is asked.
    if not (spec.get("weights") or spec.get("fill")):
        return construct(target, spec)
    shelf, use = _shelf.get(), use_of(target, spec)
    layer = shelf.take(use)
    if layer is None:
        layer = settle(construct(target, spec), spec)
    else:
        _under_policy(spec)
        give(layer, spec)
    paths = spec["weights"]
    given = layer.weights if spec.get("fill") else [lookup(layer, p) for p in paths]
    shelf.lend(use, layer, set(map(id, given)))
    return layer


def construct(cls: Callable, spec: dict):
    """Makes a layer, under the dtype policy that the probe names."""
    import keras

    _under_policy(spec)
    layer = cls(**spec["construct"])
    if not isinstance(layer, keras.layers.Layer):
        raise Refusal(f"`{spec['target']}` does not make a Keras layer.")
    masks = type(layer).compute_mask is not keras.layers.Layer.compute_mask
    if masks and not ("method" in spec or spec.get("masks")):
        layer.compute_mask = _forgiving(layer.compute_mask)
    return layer


def _forgiving(compute_mask: Callable) -> Callable:
    """Keras asks for a mask in every call: a wrong one costs its own points only.

    Symbolic tensors come from Keras alone, never from the layer's own `call`.
    """
    import keras

    def forgiving(inputs, *args, **kwargs):
        try:
            return compute_mask(inputs, *args, **kwargs)
        except Exception as error:
            symbolic = isinstance(inputs, keras.KerasTensor)
            if symbolic or isinstance(error, NotImplementedError):
                return None
            raise

    return forgiving


def _under_policy(spec: dict) -> None:
    import keras

    if "global_policy" in spec:
        keras.config.set_dtype_policy(spec["global_policy"])


def settle(layer, spec: dict):
    """Gives a layer the probe's weights; a first call has it make its own."""
    if spec.get("weights") or spec.get("fill"):
        args, named = arguments(spec["calls"][0])
        layer(*args, **named)
        give(layer, spec)
    return layer


def give(layer, spec: dict) -> None:
    """Gives a built layer the probe's weights.

    Where the probe says `fill`, every weight gets numbers of its own, whatever it is
    called: the same for a twin of the layer.
    """
    assign(layer, spec["weights"])
    if spec.get("fill"):
        random = np.random.RandomState(0)
        for variable in layer.weights:
            variable.assign(random.normal(0.0, 0.5, tuple(variable.shape)))


def lookup(layer, path: str):
    """Returns the variable at a dotted attribute path, such as `query.kernel`."""
    import keras

    node, walked = layer, type(layer).__name__
    for part in path.split("."):
        node = getattr(node, part, None)
        if node is None:
            kind = "weight" if part in WEIGHT_NAMES else "sublayer or weight"
            raise Refusal(f"{walked} has no {kind} `{part}`.")
        walked = f"{walked}.{part}"
    if not isinstance(node, keras.Variable):
        raise Refusal(f"`{walked}` is not a weight but {_a(type(node).__name__)}.")
    return node


WEIGHT_NAMES = frozenset({"kernel", "bias", "gamma", "beta"})


def assign(layer, weights: dict[str, np.ndarray]) -> None:
    """Transplants arrays into a layer's weights, reshaped in C order."""
    for path, array in weights.items():
        variable = lookup(layer, path)
        if int(np.prod(variable.shape)) != array.size:
            raise Refusal(
                f"`{path}` has shape {tuple(variable.shape)}; "
                f"expected {array.size} numbers, as in {array.shape}."
            )
        variable.assign(array.reshape(tuple(variable.shape)))


# --- arguments and results --------------------------------------------------------


def tensor(value: Any, dtype: str | None = None) -> Any:
    """Returns arrays as backend tensors, floats in `dtype`; others as they are."""
    import keras

    if not isinstance(value, np.ndarray):
        return value
    if dtype and value.dtype.kind == "f":
        return keras.ops.cast(keras.ops.convert_to_tensor(value), dtype)
    return keras.ops.convert_to_tensor(value)


def arguments(call: dict, convert: Callable = tensor) -> tuple[list, dict]:
    """Returns a call's positional and named arguments, arrays converted.

    They are copies: a function that empties its argument spoils no later question.
    """
    call = copy.deepcopy(call)
    dtype = call.get("dtype")
    args = [convert(value, dtype) for value in call.get("args", [])]
    named = {key: convert(v, dtype) for key, v in call.get("kwargs", {}).items()}
    return args, named


def leaves(result: Any) -> list[Any]:
    """Returns a result's tensors in order, a tuple or list unpacked."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def numbers(value: Any) -> np.ndarray:
    """Returns a tensor as a NumPy array, by the backend's own conversion.

    Only arrays, backend tensors and Python numbers count: an object that merely
    behaves like one is refused.
    """
    import keras

    if isinstance(value, keras.KerasTensor):
        raise Refusal("The result is a symbolic KerasTensor; expected numbers.")
    plain = type(value) in (bool, int, float, np.ndarray)
    if not (plain or isinstance(value, np.generic) or keras.ops.is_tensor(value)):
        raise Refusal(
            f"The result is {_a(type(value).__name__)}; expected a tensor "
            "(an array of numbers)."
        )
    array = keras.ops.convert_to_numpy(value)
    if array.dtype.name == "bfloat16":
        array = array.astype("float32")
    if array.dtype.kind not in "fiub":
        raise Refusal(f"The result is of dtype {array.dtype}; expected numbers.")
    return array


def dtype_of(value: Any) -> str:
    """Returns a tensor's dtype as Keras names it."""
    import keras

    try:
        return keras.backend.standardize_dtype(value.dtype)
    except (AttributeError, ValueError, TypeError):
        return type(value).__name__


def collect(prefix: str, result: Any, facts: dict, arrays: dict) -> None:
    """Adds a result's tensors to an answer, as `prefix/0`, `prefix/1`, …"""
    values = leaves(result)
    if len(values) > RESULTS_LIMIT:
        raise Refusal(f"It returned {len(values)} results; expected a tensor.")
    facts[f"{prefix}/count"] = len(values)
    for i, value in enumerate(values):
        arrays[f"{prefix}/{i}"] = numbers(value)
        facts[f"{prefix}/{i}/dtype"] = dtype_of(value)


# --- actions ----------------------------------------------------------------------


@action
def attempted(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Is it more than the starter code, which raises NotImplementedError?"""
    target = find(spec, namespace)
    try:
        made = construct(target, spec) if "construct" in spec else target
        for entry in spec.get("calls", []):
            args, named = arguments(entry)
            made(*args, **named)
    except NotImplementedError:
        return {"written": False}, {}
    except Exception:
        pass
    return {"written": True}, {}


@action
def call(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Calls the function or layer once per entry of `calls`, on the same object.

    With `method` in the spec, that method of the layer is called.
    """
    function = make(spec, namespace)
    if "method" in spec:
        function = getattr(function, spec["method"])
    facts: dict = {}
    arrays: dict = {}
    for i, entry in enumerate(spec["calls"]):
        args, named = arguments(entry)
        collect(str(i), function(*args, **named), facts, arrays)
    return facts, arrays


@action
def decode(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Has a function continue prompts in the made-up language of `language`.

    With `twice` in the spec it does so two times, and only whether the ids were the
    same is told.
    """
    function = make(spec, namespace)
    facts: dict = {}
    arrays: dict = {}
    for i, entry in enumerate(spec["calls"]):
        try:
            collect(str(i), _decoded(function, entry, spec), facts, arrays)
            if spec.get("twice"):
                again = numbers(leaves(_decoded(function, entry, spec))[0])
                facts["repeats"] = bool(np.array_equal(again, arrays.pop(f"{i}/0")))
        except TooOften as error:
            raise Refusal(str(error)) from None
    return facts, arrays


def _decoded(function: Callable, entry: dict, spec: dict) -> Any:
    plain = bool(entry.get("plain"))
    args, named = arguments(entry, (lambda value, _: value) if plain else tensor)
    prompt, count = args
    # Some ask row by row; none needs to ask more often than that.
    limit = 20 + 2 * len(entry["args"][0]) * (count + 1)
    language = next_token_logits(spec["order"], spec["logits"], plain, limit)
    return function(language, prompt, count, **named)


@action
def plain(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Calls a function that returns Python values: numbers, strings, lists, dicts."""
    function = make(spec, namespace)
    facts = {}
    for i, entry in enumerate(spec["calls"]):
        args, named = arguments(entry, lambda value, dtype: value)
        facts[f"value/{i}"] = python_value(function(*args, **named))
    return facts, {}


VALUE_LIMIT = 100_000  # entries and letters together


def python_value(value: Any, room: list[int] | None = None) -> Any:
    """Returns a Python value as JSON; one that is neither is told by its type.

    A tuple is not a list, and an integer not a float: who asks decides what they mean.
    """
    room = [VALUE_LIMIT] if room is None else room
    kind = type(value)
    room[0] -= len(value) if kind in (str, list, tuple, dict) else 1
    if room[0] < 0:
        raise Refusal("The result is far larger than it should be.")
    if isinstance(value, np.generic):
        return python_value(value.item(), room)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [python_value(item, room) for item in value]
    if kind is dict:
        return {str(key): python_value(item, room) for key, item in value.items()}
    return {"type": kind.__name__}


@action
def constructor(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Makes a layer with `name=` and `dtype=`, and runs it once."""
    layer = make(spec, namespace)
    args, named = arguments(spec["calls"][0])
    facts: dict = {"name": _plain(layer.name), "policy": layer.dtype_policy.name}
    arrays: dict = {}
    collect("0", layer(*args, **named), facts, arrays)
    return facts, arrays


@action
def weights(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Builds a layer from shapes alone and reports the weights made.

    The arrays are the weights' own values after each was filled with its number in
    the list of paths, so that two paths cannot name one variable, and a weight that
    `layer.weights` does not hold is missed.
    """
    layer = construct(find(spec, namespace), spec)
    layer.build(*[tuple(shape) for shape in spec["build"]])
    facts: dict = {}
    found = []
    for i, path in enumerate(spec["paths"], start=1):
        variable = lookup(layer, path)
        size = tuple(variable.shape)
        variable.assign(np.full(size, float(i), "float32"))
        facts[f"size/{path}"] = int(np.prod(size))
        facts[f"trainable/{path}"] = bool(variable.trainable)
        found.append(variable)
    held = {id(variable) for variable in layer.weights}
    facts["held"] = all(id(variable) in held for variable in found)
    facts["count"] = len(layer.weights)
    facts["parameters"] = int(sum(np.prod(w.shape) for w in layer.weights))
    arrays = {
        f"first/{path}": np.ravel(numbers(variable.value))[:1]
        for path, variable in zip(spec["paths"], found, strict=True)
    }
    return facts, arrays


def symbolic_call(entry: dict, spec: dict) -> tuple[Callable, list, list[np.ndarray]]:
    """Prepares a call whose arrays are Keras inputs.

    Axes that `spec["unknown"]` lists for an argument are left unknown; where it lists
    none, the first one is.

    Returns:
        A function that calls what it is given with tensors in place of the arrays, the
        inputs, and the arrays in the same order.
    """
    import keras

    inputs: list = []
    for name, value in _named_arguments(entry):
        if not isinstance(value, np.ndarray):
            continue
        free = spec.get("unknown", {}).get(name, [0])
        shape = tuple(None if i in free else n for i, n in enumerate(value.shape))
        inputs.append(keras.Input(batch_shape=shape, dtype=_kind(entry, value)))

    def put(function: Callable, tensors) -> Any:
        waiting = iter(tensors)
        args, named = arguments(
            entry, lambda v, _: next(waiting) if isinstance(v, np.ndarray) else v
        )
        return function(*args, **named)

    return put, inputs, symbolic_values(entry)


def symbolic_values(entry: dict) -> list[np.ndarray]:
    """Returns the arrays of a call in the order of its arguments."""
    values = [v for _, v in _named_arguments(entry) if isinstance(v, np.ndarray)]
    return [value.astype(_kind(entry, value)) for value in values]


def _kind(entry: dict, value: np.ndarray) -> str:
    floats = entry.get("dtype") and value.dtype.kind == "f"
    return entry["dtype"] if floats else value.dtype.name


def _named_arguments(entry: dict) -> list[tuple[str, Any]]:
    positional = [(str(i), value) for i, value in enumerate(entry.get("args", []))]
    return [*positional, *entry.get("kwargs", {}).items()]


def functional(function: Callable, entry: dict, spec: dict):
    """Traces one call into a functional model with unknown sizes."""
    import keras

    put, inputs, values = symbolic_call(entry, spec)
    if isinstance(function, keras.layers.Layer):
        outputs = leaves(put(function, inputs))
    else:
        outputs = leaves(wrap(lambda *tensors: put(function, tensors))(*inputs))
    model = keras.Model(inputs, outputs)
    if isinstance(function, keras.layers.Layer):
        _shelf.get().keep_graph(function, entry, model)
    return model, values, outputs


def wrap(function: Callable):
    """Returns a layer whose call is `function`, as a student's own layer would."""
    import keras

    class Wrapped(keras.layers.Layer):
        def call(self, *tensors):
            return function(*tensors)

    return Wrapped()


@action
def symbolic(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Traces a call with unknown sizes, then runs the model on several real ones."""
    function = make(spec, namespace)
    facts: dict = {}
    arrays: dict = {}
    model, values, outputs = functional(function, spec["calls"][0], spec)
    for i, output in enumerate(outputs):
        facts[f"declared/{i}"] = [n if n is None else int(n) for n in output.shape]
    for i, entry in enumerate(spec["calls"]):
        given = values if i == 0 else symbolic_values(entry)
        collect(str(i), model([tensor(v) for v in given]), facts, arrays)
    return facts, arrays


@action
def mask_downstream(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Reports the mask that a layer hands on to the next one in a functional model."""
    import keras

    class Next(keras.layers.Layer):
        def call(self, x, mask=None):
            return keras.ops.cast(mask, "int32")

    layer = make({**spec, "masks": True}, namespace)
    put, inputs, values = symbolic_call(spec["calls"][0], spec)
    tokens = put(layer, inputs)
    if not isinstance(getattr(tokens, "_keras_mask", None), keras.KerasTensor):
        raise Refusal("In a functional model no mask reaches the next layer.")
    model = keras.Model(inputs, Next()(tokens))
    facts: dict = {}
    arrays: dict = {}
    for i, entry in enumerate(spec["calls"]):
        given = values if i == 0 else symbolic_values(entry)
        collect(str(i), model([tensor(v) for v in given]), facts, arrays)
    return facts, arrays


@action
def gradients(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Differentiates a weighted sum of the outputs by every input and weight."""
    from autograder.differentiating import gradients_of

    function = make(spec, namespace)
    args, named = arguments(spec["calls"][0])
    variables = {path: lookup(function, path) for path in spec.get("paths", [])}
    watched = [i for i, a in enumerate(args) if dtype_of(a).startswith("float")]

    def loss(*inputs):
        import keras

        given = dict(zip(watched, inputs, strict=True))
        put = [given.get(i, value) for i, value in enumerate(args)]
        output = leaves(function(*put, **named))[0]
        cotangent = keras.ops.cast(spec["cotangent"], dtype_of(output))
        return keras.ops.sum(output * cotangent)

    inputs = [args[i] for i in watched]
    by_variable, by_input = gradients_of(loss, list(variables.values()), inputs)
    grads = dict(zip(variables, by_variable, strict=True))
    grads |= {f"input {i}": grad for i, grad in enumerate(by_input)}
    facts = {f"reached/{name}": grad is not None for name, grad in grads.items()}
    arrays = {name: numbers(g) for name, g in grads.items() if g is not None}
    return facts, arrays


@action
def policies(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Runs a layer under a dtype policy and reports what its parts compute in."""
    layer = make(spec, namespace)
    facts: dict = {"policy": layer.dtype_policy.name}
    arrays: dict = {}
    for i, entry in enumerate(spec["calls"]):
        args, named = arguments(entry)
        collect(str(i), layer(*args, **named), facts, arrays)
    for path in spec.get("sublayers", []):
        part = getattr(layer, path, None)
        if part is None:
            raise Refusal(f"{type(layer).__name__} has no sublayer `{path}`.")
        facts[f"policy/{path}"] = part.dtype_policy.name
    facts["others"] = sorted({p.dtype_policy.name for p in _parts(layer)})
    return facts, arrays


def _parts(layer) -> Iterable:
    return layer._flatten_layers(include_self=False, recursive=True)


@action
def dropped(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Tells when a layer's dropout is at work, by its own results alone.

    `off`: at inference the layer equals one without dropout. `felt`: in training it
    does not. `none`: without dropout, training changes nothing.
    """
    layer = make(spec, namespace)
    without = make(
        {**spec, "construct": {**spec["construct"], "dropout": 0.0}}, namespace
    )
    args, named = arguments(spec["calls"][0])

    def ran(layer, **mode) -> np.ndarray:
        return numbers(leaves(layer(*args, **named, **mode))[0])

    due = ran(without)

    def same(own: np.ndarray) -> bool:
        return own.shape == due.shape and bool(np.allclose(own, due, 1e-4, 1e-4))

    facts = {
        "off": same(ran(layer)) and same(ran(layer, training=False)),
        "felt": not all(same(ran(layer, training=True)) for _ in range(3)),
        "none": same(ran(without, training=True)),
    }
    return facts, {}


@action
def config(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Makes a layer anew from its own `get_config`, same weights, same call."""
    layer = make(spec, namespace)
    stored = layer.get_config()
    twin = settle(type(layer).from_config(stored), spec)
    facts = {f"config/{k}": _plain(stored.get(k)) for k in spec["construct"]}
    arrays: dict = {}
    for side, one in (("before", layer), ("after", twin)):
        args, named = arguments(spec["calls"][0])
        collect(side, one(*args, **named), facts, arrays)
    return facts, arrays


def _plain(value: Any) -> Any:
    """Returns a config value as JSON; a policy's config is told by its name."""
    if isinstance(value, dict):
        return value.get("config", {}).get("name", "dict")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    return type(value).__name__


@action
def reload(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Saves a model of the layer as `.keras`, loads it, and calls both.

    What was traced for the unknown sizes is traced well enough; if a file of that
    cannot be loaded, the layer is traced anew with the batch alone unknown.
    """
    import keras

    layer, entry = make(spec, namespace), spec["calls"][0]
    custom = {type(layer).__name__: type(layer)} | {
        name: obj
        for name, obj in namespace.items()
        if isinstance(obj, type) and issubclass(obj, keras.layers.Layer)
    }
    known = _shelf.get().graph_of(layer, entry)
    if known is not None:
        with contextlib.suppress(Exception):
            return _round_trip(known, symbolic_values(entry), custom)
    model, values, _ = functional(layer, entry, spec)
    return _round_trip(model, values, custom)


def _round_trip(model, values: list[np.ndarray], custom: dict) -> tuple[dict, dict]:
    import keras

    facts: dict = {}
    arrays: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        twin = keras.models.load_model(path, custom_objects=custom)
    given = [tensor(value) for value in values]
    collect("before", model(given), facts, arrays)
    collect("after", twin(given), facts, arrays)
    return facts, arrays


@action
def compiled(spec: dict, namespace: dict) -> tuple[dict, dict]:
    """Calls once eagerly and once as the backend compiles it."""
    from autograder.differentiating import compile_call

    function = make(spec, namespace)
    args, named = arguments(spec["calls"][0])
    facts: dict = {}
    arrays: dict = {}
    collect("before", function(*args, **named), facts, arrays)
    collect("after", compile_call(function, args, named), facts, arrays)
    return facts, arrays
