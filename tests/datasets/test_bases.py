import numpy as np
import pytest

from autograder.datasets import encode_bases, kmer_ids


@pytest.mark.parametrize(
    "sequences, length, due",
    [
        (["ATCG"], None, [[0, 1, 2, 3]]),
        (["atcg", "AUCG"], None, [[0, 1, 2, 3], [0, 1, 2, 3]]),
        (["u"], None, [[1]]),
        (["ANx-"], None, [[0, 4, 4, 4]]),
        (["ACGT", "A"], None, [[0, 2, 3, 1], [0, -1, -1, -1]]),
        (["ACGT", "A"], 2, [[0, 2], [0, -1]]),
        (["AC"], 4, [[0, 2, -1, -1]]),
        (["", "A"], None, [[-1], [0]]),
        ([""], 2, [[-1, -1]]),
        (["AéA"], None, [[0, 4, 0]]),
        (["A中A😀"], None, [[0, 4, 0, 4]]),
        (["AßC", "AŉC"], None, [[0, 4, 2], [0, 4, 2]]),  # two letters in upper case
        (("A", "C"), None, [[0], [2]]),
        (np.array(["GA", "T"]), None, [[3, 0], [1, -1]]),
        (iter(["A"]), None, [[0]]),
    ],
)
def test_letters_become_integers(sequences, length, due):
    encoded = encode_bases(sequences, length)
    assert encoded.dtype == np.int32
    np.testing.assert_array_equal(encoded, due)


def test_no_sequences_and_no_length():
    assert encode_bases([]).shape == (0, 0)
    assert encode_bases([], 5).shape == (0, 5)
    assert encode_bases(["ACGT"], 0).shape == (1, 0)


@pytest.mark.parametrize("sequences", ["ACGT", np.str_("ACGT"), b"ACGT"])
def test_a_single_sequence_is_refused(sequences):
    with pytest.raises(TypeError, match="list of sequences"):
        encode_bases(sequences)


@pytest.mark.parametrize("item", [b"ACGT", 3, None, ["A", "C"]])
def test_what_is_no_string_is_refused(item):
    with pytest.raises(TypeError, match="A sequence is a string"):
        encode_bases(["ACGT", item])


def test_kmer_ids_are_dnaberts_golden_values():
    ids = kmer_ids(["ATCGATTACG"], 6)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[2, 438, 1738, 2841, 3159, 336, 3]]
    assert kmer_ids(["ACG", "ACG"], 3).tolist() == [[2, 16, 3]] * 2
    assert kmer_ids(["AT", "CG"], 1).tolist() == [[2, 5, 6, 3], [2, 7, 8, 3]]


@pytest.mark.parametrize(
    "sequences, k, told",
    [
        (["ACGN"], 2, "of A, C, G and T"),
        (["ACGT", "ACG"], 2, "of one length"),
        (["ACG"], 4, "k is 4, and the sequences have 3"),
        (["ACG"], 0, "k is 0"),
        ([], 3, "have 0 bases"),
    ],
)
def test_kmer_ids_say_what_they_cannot_take(sequences, k, told):
    with pytest.raises(ValueError, match=told):
        kmer_ids(sequences, k)
