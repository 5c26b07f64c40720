"""Ready-made parts, found by reading: many routes in, and what only looks like one."""

import time

import pytest

from autograder.exercises._shared import READY_MADE_ATTENTION
from autograder.ready_made import read_uses

GIVEN = """
import os
import keras
import numpy as np
from keras import ops
"""
LAYER = """
class MultiHeadAttention(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        {made}
    def call(self, query, value=None, key=None):
        return self.inner(query, query if value is None else value)
"""
MHA = "keras.layers.MultiHeadAttention"
DOT = "keras.ops.dot_product_attention"


def uses(code, target="MultiHeadAttention"):
    return read_uses([GIVEN, code], [target], READY_MADE_ATTENTION)


# What stands before the layer, and how the layer makes its inner one.
ROUTES = {
    "direct": ("", "keras.layers.MultiHeadAttention(2, 3)"),
    "import_as": ("from keras.layers import MultiHeadAttention as M", "M(2, 3)"),
    "module_as": ("import keras.layers as kl", "kl.MultiHeadAttention(2, 3)"),
    "from_module": ("from keras import layers", "layers.MultiHeadAttention(2, 3)"),
    "assigned_module": ("L = keras.layers", "L.MultiHeadAttention(2, 3)"),
    "assigned_twice": ("K = keras\nL = K.layers\nM = L.MultiHeadAttention", "M(2, 3)"),
    "tuple": ("L, O = keras.layers, ops", "L.MultiHeadAttention(2, 3)"),
    "walrus": ("print(L := keras.layers)", "L.MultiHeadAttention(2, 3)"),
    "star": ("from keras.layers import *\nM = MultiHeadAttention", "M(2, 3)"),
    "getattr": ("", "getattr(keras.layers, 'MultiHeadAttention')(2, 3)"),
    "getattr_sum": ("", "getattr(keras.layers, 'Multi' + 'HeadAttention')(2, 3)"),
    "getattr_name": (
        "NAME = 'MultiHead' 'Attention'",
        "getattr(keras.layers, NAME)(2, 3)",
    ),
    "getattr_f_string": (
        "HEAD = 'Head'",
        "getattr(keras.layers, f'Multi{HEAD}Attention')(2, 3)",
    ),
    "getattr_join": (
        "",
        "getattr(keras.layers, ''.join(['Multi', 'Head', 'Attention']))(2, 3)",
    ),
    "getattr_reversed": (
        "",
        "getattr(keras.layers, 'noitnettAdaeHitluM'[::-1])(2, 3)",
    ),
    "getattr_twice": (
        "",
        "getattr(getattr(keras, 'layers'), 'MultiHeadAttention')(2, 3)",
    ),
    "importlib": (
        "import importlib",
        "importlib.import_module('keras.layers').MultiHeadAttention(2, 3)",
    ),
    "importlib_from": (
        "from importlib import import_module as load",
        "load('keras').layers.MultiHeadAttention(2, 3)",
    ),
    "dunder_import": ("", "__import__('keras').layers.MultiHeadAttention(2, 3)"),
    "sys_modules": (
        "import sys",
        "sys.modules['keras'].layers.MultiHeadAttention(2, 3)",
    ),
    "vars": ("", "vars(keras.layers)['MultiHeadAttention'](2, 3)"),
    "dict": ("", "keras.layers.__dict__['MultiHeadAttention'](2, 3)"),
    "dict_get": ("", "vars(keras.layers).get('MultiHeadAttention')(2, 3)"),
    "globals": ("", "globals()['keras'].layers.MultiHeadAttention(2, 3)"),
    "attrgetter": (
        "import operator",
        "operator.attrgetter('layers.MultiHeadAttention')(keras)(2, 3)",
    ),
    "eval": ("", "eval('keras.layers.MultiHeadAttention')(2, 3)"),
    "partial": (
        "from functools import partial as p\nm = p(keras.layers.MultiHeadAttention, 2)",
        "m(3)",
    ),
    "list": ("PARTS = [keras.layers.MultiHeadAttention]", "PARTS[0](2, 3)"),
    "helper": (
        "def make():\n    from keras.layers import MultiHeadAttention as M\n"
        "    return M(2, 3)",
        "make()",
    ),
    "lambda": ("make = lambda: keras.layers.MultiHeadAttention(2, 3)", "make()"),
    "subclass": (
        "class Mine(keras.layers.MultiHeadAttention):\n    pass",
        "Mine(2, 3)",
    ),
    "global_layer": ("INNER = keras.layers.MultiHeadAttention(2, 3)", "INNER"),
    "tf_keras": ("import tensorflow as tf", "tf.keras.layers.MultiHeadAttention(2, 3)"),
    "tf_from": (
        "from tensorflow.keras.layers import MultiHeadAttention as M",
        "M(2, 3)",
    ),
    "private": (
        "from keras.src.layers.attention.multi_head_attention import "
        "MultiHeadAttention as M",
        "M(2, 3)",
    ),
    "deserialize": (
        "",
        "keras.layers.deserialize({'class_name': 'MultiHeadAttention', 'config': {}})",
    ),
    "conditional": (
        "try:\n    from keras.layers import MultiHeadAttention as M\n"
        "except ImportError:\n    M = None",
        "M(2, 3)",
    ),
    "local_alias": ("", "(lambda L: L)(keras.layers.MultiHeadAttention)(2, 3)"),
    "exec": ("", "exec('self.inner = keras.layers.MultiHeadAttention(2, 3)')"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_read(route):
    before, made = ROUTES[route]
    made = made if made.startswith("exec(") else f"self.inner = {made}"
    assert uses(f"{before}\n{LAYER.format(made=made)}") == [MHA]


WHOLE = {
    "subclassed": "class MultiHeadAttention(keras.layers.MultiHeadAttention):\n  pass",
    "same_name": "from keras.layers import MultiHeadAttention\n"
    "class MultiHeadAttention(MultiHeadAttention):\n    pass",
    "assigned": "MultiHeadAttention = keras.layers.MultiHeadAttention",
    "imported": "from keras.layers import MultiHeadAttention",
    "starred": "from keras.layers import *",
    "patched": LAYER.format(made="pass")
    + "\nMultiHeadAttention.call = lambda self, q: "
    "keras.layers.MultiHeadAttention(2, 3)(q, q)",
    "setattr": LAYER.format(made="pass") + "\nINNER = keras.layers.MultiHeadAttention\n"
    "setattr(MultiHeadAttention, 'call', lambda self, q: INNER(2, 3)(q, q))",
    "decorated": "def swap(cls):\n    return keras.layers.MultiHeadAttention\n"
    "@swap\nclass MultiHeadAttention:\n    pass",
    "default": "def MultiHeadAttention(h, d, cls=keras.layers.MultiHeadAttention):\n"
    "    return cls(h, d)",
    "nested": "def MultiHeadAttention(h, d):\n    def make():\n"
    "        return keras.layers.MultiHeadAttention(h, d)\n    return make()",
    "deep": "def MultiHeadAttention(h, d):\n    x = "
    + "-" * 1500
    + "1\n    return keras.layers.MultiHeadAttention(h, d)",
}


@pytest.mark.parametrize("route", WHOLE)
def test_the_object_itself_may_be_ready_made(route):
    assert uses(WHOLE[route]) == [MHA]


@pytest.mark.parametrize(
    "code, name",
    [
        ("def attention(q, k, v):\n    return ops.dot_product_attention(q, k, v)", DOT),
        ("from keras.ops import dot_product_attention as attention", DOT),
        (
            "import torch.nn.functional as F\ndef attention(q, k, v):\n"
            "    return F.scaled_dot_product_attention(q, k, v)",
            "torch.nn.functional.scaled_dot_product_attention",
        ),
        (
            "import keras_nlp\ndef attention(q, k, v):\n"
            "    return keras_nlp.layers.CachedMultiHeadAttention(1, 2)(q, v, k)",
            "keras_hub.layers.CachedMultiHeadAttention",
        ),
        (
            "def attention(q, k, v):\n"
            "    return keras.layers.Attention(use_scale=False)([q, v, k])",
            "keras.layers.Attention",
        ),
    ],
)
def test_functions_and_other_libraries(code, name):
    assert uses(code, "attention") == [name]


OWN = LAYER.format(made="self.inner = keras.layers.Dense(3)")
INNOCENT = {
    "own_class_of_that_name": OWN,
    "after_the_import": f"from keras.layers import MultiHeadAttention\n{OWN}",
    "after_a_star": f"from keras.layers import *\n{OWN}",
    "comment": f"# like keras.layers.MultiHeadAttention\n{OWN}",
    "docstring": OWN.replace(
        "    def __init__",
        '    """Equal to `keras.layers.MultiHeadAttention`."""\n    def __init__',
        1,
    ),
    "error_text": OWN.replace(
        "        super()",
        "        print('not keras.layers.MultiHeadAttention')\n        super()",
        1,
    ),
    "comparison_below": f"{OWN}\nother = keras.layers.MultiHeadAttention(2, 3)\n"
    "print(np.allclose(other(1), MultiHeadAttention(2, 3)(1)))",
    "comparison_in_a_function": f"{OWN}\ndef compare():\n"
    "    return keras.layers.MultiHeadAttention(2, 3), MultiHeadAttention(2, 3)",
    "isinstance": OWN.replace(
        "        return self",
        "        if isinstance(self.inner, keras.layers.MultiHeadAttention):\n"
        "            raise TypeError\n        return self",
    ),
    "type_is": OWN.replace(
        "        return self",
        "        assert type(self) is not keras.layers.MultiHeadAttention\n"
        "        return self",
    ),
    "annotation": OWN.replace(
        "        super()",
        "        self.x: keras.layers.Attention = None\n        super()",
    ),
    "argument_annotation": "def MultiHeadAttention(\n"
    "    layer: keras.layers.Attention, key_dim: int) -> keras.layers.Attention:\n"
    "    return keras.layers.Dense(3)",
    "other_layers": OWN.replace("Dense(3)", "LayerNormalization()"),
    "unused_import": f"from keras.layers import MultiHeadAttention as Theirs\n{OWN}",
    "older_attempt": "class MultiHeadAttention(keras.layers.Layer):\n"
    "    def call(self, x):\n        return keras.layers.MultiHeadAttention(2, 3)(x, x)"
    f"\n{OWN}",
    "own_function_dot_product_attention": "def dot_product_attention(q, k, v):\n"
    f"    return q\n{OWN.replace('return self', 'dot_product_attention(1, 2, 3)')}",
    "parameter_called_layers": "def MultiHeadAttention(layers, d):\n"
    "    return layers.MultiHeadAttention",
    "own_module_attribute": "class attention: pass\nattention.MultiHeadAttention = 1\n"
    "def MultiHeadAttention(h, d):\n    return attention.MultiHeadAttention",
    "local_name": "import keras.layers as L\ndef MultiHeadAttention(h, d):\n"
    "    for L in [h, d]:\n        L.MultiHeadAttention\n    return L",
    "string_key": OWN.replace("Dense(3)", "Dense(3, name='MultiHeadAttention')"),
    "does_not_parse": "def MultiHeadAttention(:\n    keras.layers.MultiHeadAttention",
    "lecture_cell": f"{OWN}\ny = keras.layers.MultiHeadAttention(4, 8)(1, 1)\n"
    "class Block(keras.layers.Layer):\n    def __init__(self):\n"
    "        self.a = keras.layers.MultiHeadAttention(2, 2)",
}


@pytest.mark.parametrize("code", INNOCENT)
def test_innocent_code_is_left_alone(code):
    assert uses(INNOCENT[code]) == []


def test_nothing_forbidden_is_nothing_read():
    assert read_uses(["import keras"], ["keras"], ()) == []


@pytest.mark.parametrize(
    "code",
    [
        "\n".join(f"a{i} = a{i + 1} + a{i + 1}" for i in range(60)) + "\na60 = 'x'"
        "\nMultiHeadAttention = getattr(keras, a0)",
        "MultiHeadAttention = MultiHeadAttention",
        "a = b\nb = a\nMultiHeadAttention = a.b.c",
        "MultiHeadAttention = " + "(" * 150 + "1" + ")" * 150,
        "MultiHeadAttention = " + "+".join(["x"] * 20_000),
        "MultiHeadAttention = keras" + ".a" * 3000,
        "\n".join(f"x{i} = {i}" for i in range(5000)) + "\nMultiHeadAttention = x1",
    ],
    ids=range(7),
)
def test_code_that_refers_to_itself_is_read_in_time(code):
    start = time.monotonic()
    assert uses(code) == []
    assert time.monotonic() - start < 5
