"""The shapes of requests and answers, for OpenAPI; the API's own tests hold real answers against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["pass", "inconclusive", "investigate", "rollback"]
Stage = Literal["waiting", "pending", "confirmed", "final"]
Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="UTC, ISO 8601.")]
Version = Annotated[Literal[1], Field(alias="schema")]


class Error(BaseModel):
    """Why a request was not answered. `permanent`: the same request will not be answered later either."""

    error: str
    permanent: bool


class Alive(BaseModel):
    """The process runs."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Whether this process does its work. The others are a sentence about what is wrong, or null.

    A refused configuration does not make it unready: an older one is in force.
    """

    ready: bool
    role: Literal["leader", "standby"]
    scheduler: str | None
    database: str | None
    configuration: str | None


class Interval(BaseModel):
    """An estimate in points with its two-sided interval."""

    points: float | None
    low: float | None
    high: float | None
    confidence: float
    new_case_se: float | None = Field(None, description="What new cases like these would add, in points.")


class Cause(BaseModel):
    """A likely cause, with its evidence in words."""

    cause: str
    evidence: str


class Thresholds(BaseModel):
    """Where the verdicts begin."""

    investigate: float
    rollback: float
    unit: Literal["points", "percent"]


class Smallest(BaseModel):
    """The smallest drops that can be confirmed, in the thresholds' unit."""

    investigate: float | None
    rollback: float | None


class Model(BaseModel):
    """The model that was asked for, and the one that the provider says answered."""

    requested: str | None
    reported: str | None
    fingerprint: str | None
    changed: bool


class Fallback(BaseModel):
    """What could serve instead, and by how many points its score is above production's on the same slot.

    `repeats`: answers a case; `why`: a sentence, where it is not ready.
    """

    target: str
    ready: bool
    better_by: Interval | None
    repeats: int
    why: str | None


class JudgeShift(BaseModel):
    """How many points more a judge gives the answers of deployment now, over those it has judged again."""

    points: float | None
    low: float | None
    high: float | None
    confidence: float
    judged: int
    up: int
    down: int


class OneJudge(BaseModel):
    """One judge by one rubric. `p`: of the exact sign test; `models`: what its provider called it then and now.

    `moved`: it says other things now than at deployment; `changed`: that, or it is another model.
    """

    judge: str
    rubric: str
    shift: JudgeShift | None
    p: float | None
    moved: bool
    changed: bool
    models: list[str] | None
    untrusted: str | None
    kappa: float | None


class Anchors(BaseModel):
    """How many of the baseline's answers were judged again."""

    judged: int
    of: int


class CorrectedScore(BaseModel):
    """A rubric's mean score, in [0, 1], as people's labels correct it."""

    rubric: str
    score: float | None
    low: float | None
    high: float | None
    labels: int


class JudgeAway(BaseModel):
    """A judge that could not be asked, and why."""

    judge: str
    why: str


class Judges(BaseModel):
    """What is known of the judges. `baseline_score_then`: the baseline's score as they saw it at deployment.

    `watched`: they were shown answers whose verdict is known; a judge that failed them is `untrusted`.
    """

    judges: list[OneJudge]
    watched: bool
    anchors: Anchors
    unscored: float | None
    baseline_score_then: float | None
    bridged: list[str]
    away: list[JudgeAway]
    barred: str | None
    corrected: list[CorrectedScore]
    calls: int
    usd: float | None


class Verdict(BaseModel):
    """How one target stands with one suite: scores in [0, 1], drops in points, money in USD.

    A stale or missing verdict is `inconclusive`. An unknown number is null.
    """

    model_config = ConfigDict(protected_namespaces=())

    schema_: Version
    target: str
    suite: str
    verdict: Level
    stage: Stage
    reasons: list[str]
    cause: str | None
    causes: list[Cause]
    score: float | None
    baseline_score: float | None
    # By scorer; verdicts of earlier versions have none.
    scores: dict[str, float | None] = Field(default_factory=dict)
    drop: Interval | None
    confirmation: Interval | None
    thresholds: Thresholds
    smallest_confirmable: Smallest
    cases: int
    answers: int
    coverage: float | None
    calls: int
    usd: float | None
    model: Model
    configuration_changed: bool
    fallback: Fallback | None
    # Verdicts of earlier versions, and those without a rubric, have none.
    judge: Judges | None = None
    run: str | None
    slot: Instant | None
    finished_at: Instant | None
    stale: bool


class Verdicts(BaseModel):
    """Every configured target with each of its suites."""

    schema_: Version
    verdicts: list[Verdict]


class Outcome(BaseModel):
    """Calls with one outcome: `answered`, `retried`, or the kind of a failure."""

    outcome: str
    calls: int


class Usage(BaseModel):
    """What a run has used so far; `usd` is null where nothing was priced."""

    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    outcomes: list[Outcome]


class Progress(BaseModel):
    """How far the run that is being asked has come; `at` is the time of its last answer."""

    stage: str
    answered: int
    failed: int
    total: int
    at: Instant | None


class Run(BaseModel):
    """One replay of a suite against a target.

    `begun`: a process has taken it up; else only its slot or the request for it was recorded.
    """

    id: str
    target: str
    suite: str
    kind: Literal["baseline", "week", "adhoc", "judge", "reference", "verify"]
    state: Literal["running", "waiting", "done", "missed"]
    begun: bool
    slot: Instant | None
    created_at: Instant
    due_at: Instant | None
    finished_at: Instant | None
    requested_by: str | None
    verdict: Verdict | None
    usage: Usage
    progress: Progress | None


class Runs(BaseModel):
    """Runs, the newest first; `next` is the value of `before` for the page that follows, null at the end."""

    schema_: Version
    runs: list[Run]
    next: str | None


class OneRun(BaseModel):
    """One run."""

    schema_: Version
    run: Run


class Requested(BaseModel):
    """The runs that will be made; one that was asked for before, and is not over, is the same run."""

    schema_: Version
    runs: list[Run]


class RunRequest(BaseModel):
    """What to replay: without a suite all of the target's, without a target all production targets."""

    model_config = ConfigDict(extra="forbid")

    target: Annotated[str, Field(max_length=200)] | None = None
    suite: Annotated[str, Field(max_length=200)] | None = None


class FlaggerMetadata(BaseModel):
    """What the canary's webhook is configured with."""

    target: Annotated[str, Field(max_length=200)]
    suite: Annotated[str, Field(max_length=200, description="Only this suite.")] = ""
    max_age: Annotated[str, Field(max_length=20, description="A verdict older than this is stale.")] = ""


class FlaggerCall(BaseModel):
    """What Flagger sends to a webhook; of all this, `metadata` alone is looked at."""

    name: str = ""
    namespace: str = ""
    phase: str = ""
    checksum: str = ""
    metadata: FlaggerMetadata
