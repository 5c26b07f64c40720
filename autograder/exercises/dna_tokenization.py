"""What is asked of DNA as tokens: k-mers, their vocabulary, a layer, and the masking.

Poly-A, sequences without unknown letters, of one length, or that fit exactly hide
whole families of mistakes; so the bases are drawn, rows end at different places, and
the golden values of DNABERT's vocabulary are among the questions.
"""

from __future__ import annotations

import numpy as np

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import attempted, lasting_checks

BASES = "ATCG"  # in the order of their codes
END, UNKNOWN = -1, 4
FIRST_KMER = 5


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _split_kmers(Draw(seed, "split_kmers")),
        _kmer_vocabulary(),
        _kmer_tokenizer(Draw(seed, "kmer_tokenizer")),
        _mask_kmers(Draw(seed, "mask_kmers")),
        Exercise("explain_kmers", (), "What does one mask hide?", manual_points=2.0),
    ]


def _plain(name: str, id: str, *calls: list) -> Probe:
    spec = {"target": name, "calls": [{"args": args} for args in calls]}
    return Probe(id, "plain", spec, "values")


# --- split_kmers, kmer_vocabulary -------------------------------------------------


def _split_kmers(draw: Draw) -> Exercise:
    name = "split_kmers"

    def text(length: int) -> str:
        return "".join(BASES[draw.integer(0, 3)] for _ in range(length))

    long = text(draw.integer(12, 17))
    return Exercise(
        name,
        (name,),
        "Cut a sequence into k-mers",
        (
            attempted(name, calls=[{"args": [long, 3]}]),
            Check(
                "values",
                "every window, one base apart",
                0.75,
                (
                    _plain(name, "values", [long, 3], [text(11), 6], [text(9), 4]),
                    _plain(name, "values/others", ["ACGTNACG", 2], [text(6), 1]),
                ),
                ("attempted",),
                "The k-mers overlap: each starts one base after the one before.",
            ),
            Check(
                "ends",
                "sequences as short as a k-mer",
                0.25,
                (
                    _plain(name, "ends/exact", [text(5), 5]),
                    _plain(name, "ends/short", [text(3), 4], ["", 3]),
                ),
                ("attempted",),
                "A sequence of k bases has one k-mer; a shorter one has none, and "
                "gives an empty list.",
            ),
        ),
        hints=(
            "A sequence of L bases has L - k + 1 windows of k. Where does the last one "
            "start?",
            "A slice: `sequence[start : start + k]`.",
        ),
    )


def _kmer_vocabulary() -> Exercise:
    name = "kmer_vocabulary"
    return Exercise(
        name,
        (name,),
        "All k-mers, in DNABERT's order",
        (
            attempted(name, calls=[{"args": [2]}]),
            Check(
                "values",
                "tokens in the order of their ids",
                0.75,
                (_plain(name, "values", [1], [2], [3]),),
                ("attempted",),
                "After the five special tokens come all k-mers, bases in the order A, "
                "T, C, G, the first base changing most slowly.",
            ),
            Check(
                "dnabert",
                "DNABERT's 4101 tokens",
                0.25,
                (_plain(name, "dnabert", [6]),),
                ("attempted",),
                "For k = 6 there are 4^6 + 5 = 4101 tokens.",
            ),
        ),
        hints=(
            "[PAD] [UNK] [CLS] [SEP] [MASK], then the k-mers.",
            "`itertools.product('ATCG', repeat=k)` counts like an odometer: the last "
            "letter turns fastest.",
        ),
    )


# --- KmerTokenizer ----------------------------------------------------------------


def encode(*sequences: str, length: int | None = None) -> np.ndarray:
    """Returns sequences as the layer gets them, -1 after each one's end."""
    length = length or max(len(s) for s in sequences)
    rows = np.full((len(sequences), length), END, "int32")
    for row, sequence in zip(rows, sequences, strict=True):
        codes = [BASES.find(base) for base in sequence]
        row[: len(codes)] = [UNKNOWN if code < 0 else code for code in codes]
    return rows


def _kmer_tokenizer(draw: Draw) -> Exercise:
    name = "KmerTokenizer"
    k = draw.integer(3, 4)
    width = draw.integer(12, 15)
    batch = draw.integer(3, 4)
    construct = {"k": k, "sequence_length": width}
    room = width - 2 + k - 1  # bases whose k-mers exactly fit

    def rows(*lengths: int, unknown: bool = False) -> np.ndarray:
        bases = draw.random.randint(0, 4, (len(lengths), max(lengths))).astype("int32")
        for row, length in zip(bases, lengths, strict=True):
            if unknown:
                row[draw.integer(k, length - 1)] = UNKNOWN
            row[length:] = END
        return bases

    def some(count: int = batch, longest: int = room) -> np.ndarray:
        lengths = draw.sizes(count, k + 1, longest - 1)
        return rows(longest, *lengths[1:])

    def probe(id, *calls, action="call", compare="exact", facts=(), **spec):
        entries = [{"args": [bases]} for bases in calls]
        spec = {"target": name, "construct": construct, "calls": entries, **spec}
        return Probe(id, action, spec, compare, facts=facts)

    def with_k(k, width):
        return {"construct": {"k": k, "sequence_length": width}}

    def lasting_probe(id, entry, **options):
        return probe(id, *entry["args"], **options)

    golden = encode("ATCGATTACG")
    full, short = rows(room, room), rows(k, k - 1, room, k + 2)
    only_short = rows(k - 1, 1)
    broken = rows(*draw.sizes(batch, k + 3, room - 1), unknown=True)
    last = rows(k + 4, k + 4)
    last[0, -1] = last[1, -k:] = (
        UNKNOWN  # one unknown base, and a k-mer of nothing else
    )
    return Exercise(
        "kmer_tokenizer",
        (name,),
        "A tokenizer that is a Keras layer",
        (
            attempted(name, construct=construct, calls=[{"args": [full]}]),
            Check(
                "constructor",
                "constructor and name",
                0.25,
                (
                    probe(
                        "constructor",
                        some(),
                        action="constructor",
                        compare="facts_only",
                        facts=("name", "0/count"),
                        construct={**construct, "name": "lecture_kmers"},
                    ),
                ),
                ("attempted",),
                "`KmerTokenizer(k, sequence_length, name=…)` must make a layer that "
                "runs.",
            ),
            Check(
                "shapes",
                "any batch, a fixed number of tokens",
                0.5,
                (
                    probe(
                        "shapes/unknown",
                        some(),
                        some(batch + 2),
                        some(1),
                        action="symbolic",
                        compare="shapes",
                    ),
                    probe("shapes/long", some(batch, room + 5), compare="shapes"),
                    Probe(
                        "shapes/weightless",
                        "weights",
                        {
                            "target": name,
                            "construct": construct,
                            "build": [[None, room]],
                            "paths": [],
                        },
                        facts=("count",),
                    ),
                ),
                ("constructor",),
                "The result is (B, sequence_length) whatever the batch and however "
                "long the sequences are, and the layer has no weights.",
            ),
            Check(
                "values",
                "ids of the k-mers",
                1.0,
                (
                    probe("values", some(), some(batch + 1, room)),
                    probe("values/dnabert", golden, **with_k(6, 7)),
                    probe("values/k5", rows(11, 11), **with_k(5, 9)),
                ),
                ("constructor",),
                "`[CLS]`, the ids of the k-mers, `[SEP]`: an id is 5 plus the k-mer "
                "read as a number in base 4, first base highest.",
            ),
            Check(
                "ends",
                "padding, cutting, exact fits",
                1.0,
                (
                    probe("ends/short", short),
                    probe("ends/fits", full),
                    probe("ends/cut", rows(room + 1, room + 6, k + 3)),
                    probe("ends/none", only_short),
                ),
                ("constructor",),
                "A short sequence ends in `[SEP]` and `[PAD]`s, one without k-mers is "
                "`[CLS] [SEP]`, and one that is too long is cut so that `[SEP]` stays.",
            ),
            Check(
                "unknown",
                "unknown bases",
                0.75,
                (
                    probe(
                        "unknown/dnabert",
                        encode("ACGTNACGTA", "TTGCA"),
                        **with_k(3, 11),
                    ),
                    probe("unknown/drawn", broken),
                    probe("unknown/last", last),
                ),
                ("constructor",),
                "Every k-mer that touches an unknown base is `[UNK]`, k of them in "
                "the middle of a sequence, and no other.",
            ),
            Check(
                "mask",
                "compute_mask",
                0.5,
                (
                    probe(
                        "mask",
                        some(),
                        short,
                        rows(room + 4, k + 1),
                        broken,
                        method="compute_mask",
                    ),
                    probe("mask/none", only_short, method="compute_mask"),
                ),
                ("constructor",),
                "`compute_mask(bases)` must be True exactly where the token is not "
                "`[PAD]`.",
            ),
            Check(
                "mask_downstream",
                "the mask reaches the next layer",
                0.25,
                (
                    probe(
                        "mask_downstream",
                        some(),
                        some(batch + 1),
                        action="mask_downstream",
                    ),
                ),
                ("mask",),
                "In a functional model the mask gets lost. There `==` and Python's "
                "slicing tricks fail silently: use `ops.equal`, `ops.less`, "
                "`ops.zeros_like`.",
            ),
            Check(
                "precision",
                "ids stay whole numbers",
                0.5,
                tuple(
                    probe(
                        f"precision/{dtype}",
                        encode("ATCGATTACG", "GGGGGGGGCC"),
                        facts=("0/0/dtype",),
                        construct={"k": 6, "sequence_length": 9, "dtype": dtype},
                    )
                    for dtype in ("float32", "mixed_float16", "bfloat16")
                ),
                ("constructor",),
                "Ids must be int32 and exact under every dtype policy: float16 cannot "
                "count to 4101.",
            ),
            *lasting_checks(lasting_probe, {"args": [short]}, construct),
        ),
        hints=(
            "The k-mer at position p is Σ base[p + i] · 4^(k-1-i), for i from 0 to "
            "k - 1: add k shifted slices of the bases, each times its power of 4.",
            "A window is unknown if any of its bases is 4, and past the end if its "
            "last base is -1: look at the same k slices.",
            "Put [SEP] where the position equals the number of k-mers, [PAD] after it: "
            "compare `ops.arange(sequence_length)` with the row's count, and choose "
            "with `ops.where`.",
            "In `compute_mask`, count the bases that are not -1, with `ops.not_equal` "
            "and `ops.sum`: the number of tokens follows.",
        ),
    )


# --- mask_kmers -------------------------------------------------------------------


def _mask_kmers(draw: Draw) -> Exercise:
    name = "mask_kmers"

    def tokens(k: int, *counts: int, width: int) -> np.ndarray:
        """Rows of [CLS], k-mers, [SEP], [PAD]s."""
        ids = np.zeros((len(counts), width), "int32")
        for row, count in zip(ids, counts, strict=True):
            kmers = draw.random.randint(FIRST_KMER, FIRST_KMER + 4**k, count)
            row[: count + 2] = [2, *kmers, 3]
        return ids

    def centers(ids: np.ndarray, *places: tuple[int, ...]) -> np.ndarray:
        chosen = np.zeros(ids.shape, bool)
        for row, where in zip(chosen, places, strict=True):
            row[list(where)] = True
        return chosen

    def entry(k, ids, *places):
        return {"args": [ids, centers(ids, *places), k]}

    def probe(id, *calls):
        return Probe(id, "call", {"target": name, "calls": list(calls)}, "exact")

    width = draw.integer(16, 19)

    def middle(k):
        ids = tokens(k, width - 2, width - 4, width=width)
        ids[:, 6] = FIRST_KMER  # the first k-mer is none of the special tokens
        return entry(k, ids, (6,), (5, 10))

    full = tokens(6, width - 2, width - 2, width=width)
    bare = draw.random.randint(5, 4101, (2, width)).astype("int32")
    gaps = tokens(4, width - 2, width - 3, width=width)
    gaps[0, 6], gaps[1, 4] = 1, 1  # [UNK]
    padded = tokens(5, 6, 9, width=width)
    traced = middle(3)
    again = entry(3, tokens(3, 8, 9, 10, width=width), (2,), (4, 7), ())
    return Exercise(
        name,
        (name,),
        "Hide a base for good",
        (
            attempted(name, calls=[middle(3)]),
            Check(
                "values",
                "k contiguous tokens around a centre",
                1.0,
                (
                    probe("values/odd", middle(3), middle(5)),
                    probe("values/even", middle(4), middle(6)),
                    probe("values/none", entry(3, full, (), ())),
                ),
                ("attempted",),
                "The offsets are those of DNABERT's pre-training: -1..1 for k = 3, "
                "-1..2 for 4, -2..2 for 5, -2..3 for 6.",
            ),
            Check(
                "special",
                "never a special token",
                0.5,
                (
                    probe("special/unknown", entry(4, gaps, (5, 9), (5,))),
                    probe("special/padded", entry(5, padded, (1, 6), (9,))),
                ),
                ("attempted",),
                "Ids below 5 are special, [UNK] among them, and are never masked.",
            ),
            Check(
                "edges",
                "nothing wraps around",
                0.5,
                (
                    probe("edges/full", entry(6, full, (width - 2,), (1,))),
                    probe("edges/bare", entry(6, bare, (0,), (width - 1,))),
                ),
                ("attempted",),
                "What reaches past one end of a row must not come back at the other: "
                "`ops.roll` does that.",
            ),
            Check(
                "traced",
                "an unknown batch",
                0.5,
                (
                    Probe(
                        "traced",
                        "symbolic",
                        {"target": name, "calls": [traced, again]},
                        "exact",
                        facts=("0/0/dtype",),
                    ),
                ),
                ("attempted",),
                "It must work where the batch size is unknown, and give booleans.",
            ),
        ),
        hints=(
            "`centers` shifted by each offset, joined by “or”. How many offsets are "
            "there, and on which side is one more for an even k?",
            "Shift by padding: False columns on one side, and as many cut off the "
            "other.",
            "At the end: and the token is not special, `token_ids >= 5`.",
        ),
    )
