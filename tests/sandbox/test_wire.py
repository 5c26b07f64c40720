import contextlib
import json
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sandbox import wire

TREE = {
    "a": np.arange(6, dtype="int32").reshape(2, 3),
    "b": [np.array(True), np.zeros((0, 4), "float16"), None, "text", 1.5],
}


def pair():
    return socket.socketpair()


def received(data: bytes, **options):
    ours, theirs = pair()
    with ours, theirs:
        feeder = threading.Thread(target=_feed, args=(theirs, data))
        feeder.start()
        try:
            return wire.receive(ours, seconds=2, **options)
        finally:
            ours.close()
            feeder.join()


def _feed(sock, data):
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + body


def test_a_tree_arrives_as_it_was_sent():
    ours, theirs = pair()
    with ours, theirs:
        wire.send(theirs, TREE)
        got = wire.receive(ours, seconds=2)
    np.testing.assert_array_equal(got["a"], TREE["a"])
    assert got["b"][0] == np.True_ and got["b"][1].shape == (0, 4)
    assert got["b"][2:] == [None, "text", 1.5]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 0xFFFFFFFF),
        frame(b"no json"),
        frame(b"[" * 60000),
        frame(b"1" * 6000),
        frame({"tree": 1}),
        frame({"tree": 1, "arrays": [["object", [1]]]}),
        frame({"tree": 1, "arrays": [["float32", [1] * 17]]}),
        frame({"tree": 1, "arrays": [["float32", [-1]]]}),
        frame({"tree": 1, "arrays": [["float32", [1.0]]]}),
        frame({"tree": 1, "arrays": [["float32", [True]]]}),
        frame({"tree": 1, "arrays": [["float32", [1 << 39]]]}),
        frame({"tree": 1, "arrays": [["bool", [1]]]}, b"\x02"),
        frame({"tree": {"$array": 0}, "arrays": []}),
        frame({"tree": {"$array": -1}, "arrays": [["bool", [1]]]}, b"\x01"),
        frame({"tree": {"$array": True}, "arrays": [["bool", [1]]]}, b"\x01"),
        frame({"tree": {"$array": 0, "x": 1}, "arrays": [["bool", [1]]]}, b"\x01"),
    ],
)
def test_what_is_not_allowed_is_refused(data):
    with pytest.raises(wire.ProtocolError):
        received(data)


def test_sizes_are_checked_before_anything_is_allocated():
    data = frame({"tree": 1, "arrays": [["float64", [1 << 20]]]})
    with pytest.raises(wire.ProtocolError, match="larger than allowed"):
        received(data, limit=1 << 20)


def test_an_end_in_the_middle_is_told():
    with pytest.raises(wire.Closed):
        received(frame({"tree": 1, "arrays": [["float32", [8]]]}, b"1234"))


def test_a_drip_feed_ends_at_the_deadline():
    ours, theirs = pair()
    with ours, theirs:
        theirs.sendall(b"\x10")
        with pytest.raises(wire.Late):
            wire.receive(ours, seconds=0.1)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_only_wire_errors(data):
    with contextlib.suppress(wire.WireError):
        received(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.just("$array"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(JSON, JSON, st.binary(max_size=40))
def test_random_headers_raise_only_wire_errors(tree, arrays, body):
    with contextlib.suppress(wire.WireError):
        received(frame({"tree": tree, "arrays": arrays}, body))
