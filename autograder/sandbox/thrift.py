"""What TensorFlow and Keras do again and again, and a grader can do without.

Called in the zygote, so that forks have it; a student's own TensorFlow stays as it is.
"""

from __future__ import annotations

import functools
import inspect


def share_variable_kernels() -> None:
    """Has all variables of one shape and dtype use one kernel.

    TensorFlow's `VarHandleOp` (r2.21, `resource_variable_ops.py`) takes the variable's
    name as `debug_name`, and eager execution looks kernels up by their attributes: as
    names differ, every variable gets a kernel of its own, in about 0.4 ms, which is
    more than all else that making it costs. The name is for error texts alone; which
    variable it is, the handle says.
    """
    from tensorflow.python.ops import gen_resource_variable_ops as operations

    made = operations.var_handle_op
    if "debug_name" not in inspect.signature(made).parameters:
        return

    @functools.wraps(made)
    def nameless(*args, debug_name: str = "", **named):
        return made(*args, **named)

    operations.var_handle_op = nameless


def remember_attributes() -> None:
    """Has Keras look once, not once per layer, at which attributes are its own.

    Saving a model makes a bare layer for each of its layers to ask this: what it keeps
    for the next time (3.15, `saving_lib.get_attr_skipset`) goes under another name
    than it is looked for.
    """
    from keras.src.saving import saving_lib

    asked = getattr(saving_lib, "get_attr_skipset", None)
    if asked is not None:
        saving_lib.get_attr_skipset = functools.cache(asked)
