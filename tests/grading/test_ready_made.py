import pytest

from autograder.grading.ready_made import ready_made

FORBIDDEN = ("keras.layers.MultiHeadAttention", "keras.ops.dot_product_attention")


@pytest.mark.parametrize(
    "source, helpers, used",
    [
        ("keras.layers.MultiHeadAttention(1, 2)", [], FORBIDDEN[:1]),
        ("tf.keras.layers.MultiHeadAttention(1, 2)", [], FORBIDDEN[:1]),
        ("layers.MultiHeadAttention(1, 2)", [], FORBIDDEN[:1]),
        ("from keras.layers import MultiHeadAttention as M", [], FORBIDDEN[:1]),
        ("y = ops.dot_product_attention(q, k, v)", [], FORBIDDEN[1:]),
        ("class MultiHeadAttention: pass\nMultiHeadAttention()", [], ()),
        ("f()", ["def f():\n    ops.dot_product_attention()"], FORBIDDEN[1:]),
        ("f()", ["print(keras.layers.MultiHeadAttention)"], ()),
        ("# keras.layers.MultiHeadAttention", [], ()),
        ("def broken(:", ["also broken("], ()),
    ],
)
def test_ready_made_parts_are_noticed_where_they_are_used(source, helpers, used):
    assert tuple(ready_made(source, helpers, FORBIDDEN)) == used
