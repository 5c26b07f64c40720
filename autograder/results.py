"""The one result schema: what the JSON, gradebook, reports and exports are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

SCHEMA_VERSION = 1

SubmissionStatus = Literal[
    "graded", "unreadable", "missing", "crashed", "timeout", "killed"
]
ReceiptStatus = Literal["none", "matches", "changed", "unreadable"]
ExerciseStatus = Literal["graded", "not_attempted", "error", "timeout", "manual"]


class Evidence(BaseModel):
    """What a numeric verdict rests on."""

    probe: str
    error: float | None = None
    """Largest deviation, |own - expected| / (1 + |expected|)."""
    tolerance: float | None = None
    margin: float | None = None
    """Tolerance divided by error: above 1 passes."""


class CheckResult(BaseModel):
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


class ExerciseResult(BaseModel):
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


class ReceiptResult(BaseModel):
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


class SubmissionResult(BaseModel):
    """One student's submission."""

    student: str
    status: SubmissionStatus
    score: float
    max_score: float
    message: str = ""
    isolation: str = ""
    seconds: float = 0.0
    repairs: list[str] = Field(default_factory=list)
    flags: list[str] = Field(default_factory=list)
    exercises: list[ExerciseResult] = Field(default_factory=list)
    submitted: str | None = None
    """When it was handed in, ISO 8601 in UTC; None where nobody wrote it down."""
    late_seconds: float = 0.0
    """How long after the deadline, extensions included."""
    penalty: float = 0.0
    """Points that are taken off for it; `score` is before that."""
    receipt: ReceiptResult = Field(default_factory=ReceiptResult)


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
