"""The promoters: what the loader gives, and what the split promises."""

import csv
import gzip
import importlib.util
import io
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from autograder.datasets import LAC, SITES, load_promoters, promoters, registry

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "datasets" / "lac_promoters"


@pytest.fixture(scope="module")
def loaded():
    return load_promoters()


def one_shorter(sequence):
    return {sequence[:i] + sequence[i + 1 :] for i in range(len(sequence))}


def near(first, second):
    """Yields pairs with two changes or fewer, found by another way than by counting."""
    wild = defaultdict(set)
    for text in second:
        for i in range(len(text)):
            wild[text[:i] + "?" + text[i + 1 :]].add(text)
    for text in first:
        for i in range(len(text)):
            for base in "ACGT":  # one change on this side, one on the other
                changed = text[:i] + base + text[i + 1 :]
                for j in range(len(text)):
                    for other in wild.get(changed[:j] + "?" + changed[j + 1 :], ()):
                        yield text, other


def test_shapes_and_labels_are_as_keras_gives_them(loaded):
    (x_train, y_train), (x_test, y_test) = loaded
    assert x_train.shape == y_train.shape == (10_000,)
    assert x_test.shape == y_test.shape == (2_000,)
    assert y_train.dtype == y_test.dtype == np.int32
    assert y_train.mean() == y_test.mean() == 0.5
    for text in (*x_train, *x_test):
        assert re.fullmatch("[ACGT]{75}", text)
    # Weak and strong are mixed, so that a batch holds both.
    assert 0.3 < y_train[:100].mean() < 0.7


def test_no_sequence_is_there_twice(loaded):
    (x_train, _), (x_test, _) = loaded
    assert len({*x_train, *x_test}) == 12_000


def test_no_two_edits_lead_from_train_to_test(loaded):
    (x_train, _), (x_test, _) = loaded
    train = np.array([list(s) for s in x_train])
    for text in x_test:
        assert (train != np.array(list(text))).sum(1).min() > 2
    # Of equal length, all other pairs of two edits lost a base and got one.
    shorter = set().union(*map(one_shorter, x_train))
    assert not any(one_shorter(text) & shorter for text in x_test)


def test_the_places_where_proteins_bind():
    assert len(LAC) == 75
    assert LAC[slice(*SITES["-35"])] == "TTTACA"
    assert LAC[slice(*SITES["-10"])] == "TATGTT"
    assert LAC[slice(*SITES["CRP"])].startswith("AATGTGAG")


def test_labels_follow_the_binding_sites(loaded):
    """Weak mutants have more changes at -35 than strong ones, far beyond chance."""
    (x, y), _ = loaded
    changed = np.array([list(s) for s in x]) != np.array(list(LAC))
    share = changed[:, slice(*SITES["-35"])].mean(1)
    assert share[y == 0].mean() > 2 * share[y == 1].mean()


def test_the_card_and_the_licence_stand_beside_the_data():
    card = (FOLDER / "README.md").read_text()
    listed = registry.entry("lac_promoters")
    assert listed.sha256 in card and f"{listed.bytes:,}" in card
    licence = (FOLDER / "LICENSE").read_text()
    assert "MIT License" in licence and "Justin B. Kinney" in licence


# --- how it was made --------------------------------------------------------------


def published(rows):
    """A made-up file as MAVE-NN publishes it: sequences and the bins they fell in."""
    text = io.StringIO(newline="")
    names = [f"ct_{n}" for n in range(10)]
    writer = csv.DictWriter(text, ["set", *names, "x"])
    writer.writeheader()
    for sequence, bins in rows:
        counts = {name: 0 for name in names}
        for n in bins:
            counts[f"ct_{n}"] += 1
        writer.writerow({"set": "training", **counts, "x": sequence})
    return gzip.compress(text.getvalue().encode())


def drawn(count, seed=0, length=20):
    random = np.random.RandomState(seed)
    return ["".join(random.choice(list("ACGT"), length)) for _ in range(count)]


def labels(rows):
    return {s: y for s, y, _ in promoters.labelled(published(rows))}


def test_only_what_is_weak_or_strong_for_certain_gets_a_label():
    a, b, c, d, e, f, g = drawn(7)
    rows = [
        (a, [1, 3]),
        (b, [7, 9]),
        (c, [2, 8]),
        (d, [5]),
        (e, [0]),
        (f, []),
        (g, [4]),
    ]
    assert labels(rows) == {a: 0, b: 1}
    # Before the sorting, bin 0, says nothing, whatever else was seen.
    assert labels([(a, [0, 9]), (b, [0, 2])]) == {a: 1, b: 0}


def test_a_sequence_read_twice_counts_once():
    a, b = drawn(2)
    assert labels([(a, [1]), (a, [2]), (b, [9])]) == {a: 0, b: 1}
    assert labels([(a, [1]), (a, [9]), (b, [9])]) == {b: 1}


def test_near_sequences_stay_on_one_side():
    (a,) = drawn(1, length=30)
    two = "".join(
        "ACGT"["ACGT".index(x) ^ 1] if i in (3, 17) else x for i, x in enumerate(a)
    )
    three = two[:25] + "ACGT"["ACGT".index(two[25]) ^ 1] + two[26:]
    shifted = a[:5] + a[6:] + "A"
    far = drawn(1, seed=9, length=30)[0]
    groups = promoters.groups([a, far, two, three, shifted])
    assert groups == [0, 1, 0, 0, 0]
    assert promoters.groups([far, three, a]) == [0, 1, 2]


def test_groups_hold_whatever_the_block():
    seeds = drawn(30, length=12)
    sequences = [*seeds, *("A" + s[1:] for s in seeds if s[0] != "A")]
    whole = promoters.groups(sequences)
    assert whole == promoters.groups(sequences, block=7)
    assert len(set(whole)) < len(sequences)
    sides = np.array(whole)
    for i, j in near_pairs(sequences):
        assert sides[i] == sides[j]


def near_pairs(sequences):
    place = {s: i for i, s in enumerate(sequences)}
    for a, b in near(sequences, sequences):
        yield place[a], place[b]


def maker():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_input_gives_the_same_bytes_in_any_order():
    rows = [(s, [1 + i % 9]) for i, s in enumerate(drawn(300, length=15))]
    make = maker().make
    first = make(published(rows))
    assert first == make(published(rows)) == make(published(rows[::-1]))
    lines = first.decode().splitlines()
    assert lines[0] == "sequence,strong,split" and len(lines) > 100
    assert {line.split(",")[2] for line in lines[1:]} == {"train", "test"}
