"""Which students' code is so alike that a person should look at both.

Winnowing (Schleimer, Wilkerson and Aiken, 2003): code becomes tokens without names,
numbers, strings, comments and white space; every run of `RUN` tokens is hashed; of
each `WINDOW` neighbouring hashes the smallest is kept. Renaming, reformatting and
moving functions leave these fingerprints as they are. Those of the starter code, and
those that more than half the class share, say nothing and are left out. What is left
is counted through an index from fingerprint to students; a fingerprint held by more
than `COMMON` different texts makes no pairs, so that the time grows with the class
and not with its square.

Likeness is no verdict: short exercises have few natural solutions.
"""

from __future__ import annotations

import builtins
import keyword
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, groupby

from autograder.results import Alike

RUN = 12  # tokens: about one and a half lines
WINDOW = 6
COMMON = 40
LEAST_PASSAGES = 8  # fewer are too little to tell anything from
LEAST_SHARE = 0.75
LONGEST_SOURCE = 200_000
EXCERPT_LINES = 14

# A string that is never closed ends with its line or the file: nothing is read twice.
_TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*|[ \t\f\r\\]+)|(?P<line>\n)
    |(?P<text>[rRbBuUfF]{0,2}(?:'''(?:[^\\]|\\.)*?(?:'''|\Z)
      |\"\"\"(?:[^\\]|\\.)*?(?:\"\"\"|\Z)
      |'(?:[^'\\\n]|\\.)*'?|"(?:[^"\\\n]|\\.)*"?))
    |(?P<number>\d[\w.]*)|(?P<name>\w+)|(?P<sign>[^\w\s])""",
    re.VERBOSE | re.DOTALL,
)
_KEPT = frozenset(keyword.kwlist) | frozenset(dir(builtins))


def similar_code(sources: Mapping[str, str], starter: str = "") -> list[Alike]:
    """Returns the students to look at together, the most alike first.

    Args:
        sources: each student's code.
        starter: what all of them were given.
    """
    prints = {student: fingerprints(sources[student]) for student in sorted(sources)}
    held = Counter(mark for marks in prints.values() for mark in marks)
    half, given = max(len(prints) // 2, 2), fingerprints(starter)
    telling = {
        student: {
            mark: lines
            for mark, lines in marks.items()
            if 2 <= held[mark] <= half and mark not in given
        }
        for student, marks in prints.items()
    }
    own = {
        student: sum(held[m] <= half and m not in given for m in marks)
        for student, marks in prints.items()
    }
    same: dict[frozenset, list[str]] = defaultdict(list)
    for student, marks in prints.items():
        if len(telling[student]) >= LEAST_PASSAGES:
            same[frozenset(marks)].append(student)
    groups = [tuple(group) for group in same.values()]
    found = [
        _alike(group, 1.0, telling[group[0]], sources[group[0]])
        for group in groups
        if len(group) > 1
    ]
    found += _pairs([group[0] for group in groups], telling, own, sources)
    return sorted(found, key=lambda a: (-a.share, -a.passages, a.students))


def _pairs(
    students: Sequence[str],
    telling: Mapping[str, Mapping[int, tuple[int, int]]],
    own: Mapping[str, int],
    sources: Mapping[str, str],
) -> Iterator[Alike]:
    """Yields the pairs among students whose code differs."""
    holders: dict[int, list[str]] = defaultdict(list)
    for student in students:
        for mark in telling[student]:
            holders[mark].append(student)
    shared: Counter[tuple[str, str]] = Counter()
    for group in holders.values():
        if len(group) <= COMMON:
            shared.update(combinations(group, 2))
    for (one, two), count in shared.items():
        share = count / min(own[one], own[two])
        if count >= LEAST_PASSAGES and share >= LEAST_SHARE:
            marks = {m: telling[one][m] for m in telling[one].keys() & telling[two]}
            yield _alike((one, two), share, marks, sources[one])


def _alike(students, share, marks, source) -> Alike:
    return Alike(
        students=students,
        share=round(share, 3),
        passages=len(marks),
        excerpt=_excerpt(marks, source),
    )


def _excerpt(marks: Mapping[int, tuple[int, int]], source: str) -> str:
    """Returns the longest stretch of lines that the given passages cover."""
    covered = sorted({n for a, b in marks.values() for n in range(a, b + 1)})
    stretches = [
        [number for _, number in run]
        for _, run in groupby(enumerate(covered), lambda pair: pair[1] - pair[0])
    ]
    lines = source[:LONGEST_SOURCE].split("\n")
    longest = max(stretches, key=len, default=[])
    return "\n".join(lines[number] for number in longest[:EXCERPT_LINES])


def fingerprints(source: str) -> dict[int, tuple[int, int]]:
    """Returns the winnowed hashes of code, each with its first and last line."""
    tokens = list(_tokens(source[:LONGEST_SOURCE]))
    runs = [tokens[i : i + RUN] for i in range(len(tokens) - RUN + 1)]
    hashes = [zlib.crc32(" ".join(word for word, _ in run).encode()) for run in runs]
    kept: dict[int, tuple[int, int]] = {}
    for start in range(max(len(hashes) - WINDOW + 1, min(len(hashes), 1))):
        window = hashes[start : start + WINDOW]
        place = start + window.index(min(window))
        kept.setdefault(hashes[place], (runs[place][0][1], runs[place][-1][1]))
    return kept


def _tokens(source: str) -> Iterator[tuple[str, int]]:
    """Yields normalised tokens with their line; reads code that does not parse, too.

    Names become `name`, except keywords, built-ins and what stands after a dot: a
    student can rename a variable, not Keras.
    """
    line, before = 0, ""
    for match in _TOKEN.finditer(source):
        kind, word = match.lastgroup, match.group()
        if kind in ("text", "number"):
            yield kind, line
        elif kind == "name":
            yield (word if before == "." or word in _KEPT else "name"), line
        elif kind == "sign":
            yield word, line
        line += word.count("\n")
        if kind not in ("skip", "line"):
            before = word
