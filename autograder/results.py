"""The one result schema: what the JSON, gradebook, reports and exports are made of."""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator

SCHEMA_VERSION = 1

SubmissionStatus = Literal[
    "graded", "unreadable", "missing", "crashed", "timeout", "killed"
]
ReceiptStatus = Literal["none", "matches", "changed", "unreadable"]
ExerciseStatus = Literal["graded", "not_attempted", "error", "timeout", "manual"]


class Result(BaseModel):
    """A part of a result.

    A class of a thousand has 40,000 of these, and is held at once. Pydantic keeps in
    each which fields were given, in more memory than all that they say; here all were.
    """

    def model_post_init(self, context: Any) -> None:
        object.__setattr__(self, "__pydantic_fields_set__", _fields(type(self)))


@functools.cache
def _fields(kind: type[Result]) -> set[str]:
    return set(kind.model_fields)


class Evidence(Result):
    """What the verdict on one question rests on."""

    probe: str
    passed: bool | None = None
    compare: str = ""
    """How the answer was read: a name in `judging.COMPARISONS`."""
    sizes: dict[str, list[int]] = Field(default_factory=dict)
    """Shapes of what was asked with (`asked/…`) and of what was due (`due/…`)."""
    error: float | None = None
    """Largest deviation, |own - expected| / (1 + |expected|)."""
    tolerance: float | None = None
    margin: float | None = None
    """Tolerance divided by error: above 1 passes."""


class Provenance(Result):
    """What a verdict was reached with; two runs that differ in it may differ in more.

    Versions are those of the process that ran the submission.
    """

    model_config = ConfigDict(frozen=True)

    seed_id: str = ""
    """Names the seed of the questions without telling it."""
    isolation: str = ""
    device: str = ""
    python: str = ""
    keras: str = ""
    backend: str = ""
    backend_version: str = ""
    autograder: str = ""
    grader: str = ""
    """A fingerprint of the code that asks and judges."""
    records: str = ""
    """A fingerprint of what the answers were compared with."""


class CheckResult(Result):
    """The verdict on one check."""

    id: str
    title: str = ""
    passed: bool
    skipped: bool = False
    """A precondition failed, so that this was not judged; it earns nothing."""
    points: float
    max_points: float
    message: str = ""
    evidence: list[Evidence] = Field(default_factory=list)
    provenance: Provenance | None = None

    @field_validator("provenance")
    @classmethod
    def _same(cls, provenance: Provenance | None) -> Provenance | None:
        """A class's checks have one; it is kept once."""
        return _PROVENANCES.setdefault(provenance, provenance)


_PROVENANCES: dict[Provenance | None, Provenance | None] = {}


class ExerciseResult(Result):
    """One exercise of one submission."""

    id: str
    score: float
    max_score: float
    status: ExerciseStatus
    misconception: str | None = None
    hint: str | None = None
    message: str = ""
    """Where the code raised: the student's own lines. Or the rule that was broken."""
    ready_made: list[str] = Field(default_factory=list)
    """Ready-made parts that were used where the exercise asks to build them."""
    checks: list[CheckResult] = Field(default_factory=list)
    given: float | None = None
    """What a person gave: for a manual question, or in place of the automatic score.
    `score` is that, then."""
    comment: str = ""
    """What that person wrote about it."""
    waits: bool = False
    """A person has yet to look at it."""


class ReceiptResult(Result):
    """What became of the receipt that `pack` puts into a notebook. Worth no points."""

    status: ReceiptStatus = "none"
    """`matches` and `changed` compare its hash with the notebook's cells."""
    packed_at: str = ""
    """When, and all that follows, as the receipt says: anyone can write one."""
    run: str = ""
    passed: int = 0
    """Exercises that passed their public checks then, of `exercises`."""
    exercises: int = 0
    versions: dict[str, str] = Field(default_factory=dict)


class SubmissionResult(Result):
    """One student's submission."""

    student: str
    status: SubmissionStatus
    score: float
    max_score: float
    message: str = ""
    isolation: str = ""
    seconds: float = 0.0
    phases: dict[str, float] = Field(default_factory=dict)
    """Of these: `start`ing processes, their `cells`, `questions`, and `judging`."""
    repairs: list[str] = Field(default_factory=list)
    flags: list[str] = Field(default_factory=list)
    exercises: list[ExerciseResult] = Field(default_factory=list)
    submitted: str | None = None
    """When it was handed in, ISO 8601 in UTC; None where nobody wrote it down."""
    late_seconds: float = 0.0
    """How long after the deadline, extensions included."""
    penalty: float = 0.0
    """Points that this costs; `score` is before that."""
    name: str = ""
    """What the student is called where it was handed in, or on the roster."""
    file: str = ""
    """The file that was graded."""
    digest: str = ""
    """A fingerprint of what is in it."""
    earlier: list[str] = Field(default_factory=list)
    """Other files of the student's, the last one first; kept, not graded."""
    receipt: ReceiptResult = Field(default_factory=ReceiptResult)

    @computed_field
    @property
    def total(self) -> float:
        """What counts in the end: the score less the penalty, never below 0."""
        return round(max(self.score - self.penalty, 0.0), 4)

    @property
    def automatic(self) -> float:
        """The points of all that is not a manual question."""
        return sum(e.score for e in self.exercises if e.status != "manual")


class Alike(BaseModel):
    """Students whose code shares more than exercise and custom explain; no verdict."""

    students: tuple[str, ...]
    """Two, or more where their code is the same but for names and layout."""
    share: float
    """Of the shorter one's telling passages, how many the other has too."""
    passages: int
    excerpt: str = ""
    """The longest stretch in common, as the first of them wrote it."""


class Environment(BaseModel):
    """Where the answers were given."""

    python: str = ""
    keras: str = ""
    backend: str = ""
    backend_version: str = ""
    device: str = "cpu"


class ClassResult(BaseModel):
    """One assignment, graded for a class."""

    schema_version: int = SCHEMA_VERSION
    assignment: str
    seed_id: str
    environment: Environment = Field(default_factory=Environment)
    submissions: list[SubmissionResult] = Field(default_factory=list)
    similar: list[Alike] = Field(default_factory=list)
    layout: str = ""
    """The shape in which the submissions came: `plain`, `canvas`, …"""
    unmatched: list[str] = Field(default_factory=list)
    """Students of `submissions` whom the roster does not have."""
    refused: list[str] = Field(default_factory=list)
    """What was in the class's zip and not looked at, with the reason."""
