"""The tables, as SQLAlchemy Core metadata; the migrations build the same, and a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite only numbers rows by itself where the key is a plain INTEGER; PostgreSQL wants 64 bits for answers.
Id = BigInteger().with_variant(Integer(), "sqlite")


class Utc(TypeDecorator[datetime]):
    """An instant: aware and UTC in Python, whatever the database keeps; a naive one is a programming error."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database: UTC, without its zone where the database keeps none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time reached the store: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


suite_version = Table(
    "suite_version",
    metadata,
    Column("suite", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("cases", JSON, nullable=False),
    Column("first_seen", Utc, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("slot", Utc),
    Column("created_at", Utc, nullable=False),
    Column("due_at", Utc),
    Column("finished_at", Utc),
    # No foreign key: baseline refers to run, and a circle of references could only be built by altering tables.
    Column("baseline_id", Id),
    Column("suite_fingerprint", String(64), nullable=False),
    Column("target_fingerprint", String(64), nullable=False),
    Column("requested_model", String(200)),
    Column("progress", JSON, nullable=False),
    Column("requested_by", String(200)),
    # Of a verification: the incident whose end it decides. No foreign key, for the same reason as that of baseline_id.
    Column("incident_id", String(36), index=True),
    # A second run of one slot is refused here, however many processes ask for it. NULLs differ: other runs are free.
    UniqueConstraint("target", "suite", "slot", "kind"),
    Index(None, "state", "due_at"),
)

baseline = Table(
    "baseline",
    metadata,
    Column("id", Id, primary_key=True),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False),
    Column("pinned_at", Utc, nullable=False),
    Column("pinned_by", String(200), nullable=False),
    Index(None, "target", "suite", "pinned_at"),
)

answer = Table(
    "answer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False),
    Column("phase", String(20), nullable=False),
    Column("case_id", Text, nullable=False),
    Column("case_fingerprint", String(64), nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("contexts", JSON(none_as_null=True)),
    Column("model", Text),
    Column("fingerprint", Text),
    Column("finish_reason", Text),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("usd", Float),
    Column("latency", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("answered_at", Utc, nullable=False),
    UniqueConstraint("run_id", "phase", "case_id", "repeat"),
    Index(None, "answered_at"),
)

score = Table(
    "score",
    metadata,
    Column("answer_id", Id, ForeignKey("answer.id"), primary_key=True, autoincrement=False),
    Column("scorer", String(200), primary_key=True),
    Column("value", Float),
    Column("reason", Text),
)

failure = Table(
    "failure",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False, index=True),
    Column("phase", String(20), nullable=False),
    Column("case_id", Text, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("usd", Float),
    Column("failed_at", Utc, nullable=False),
)

verdict = Table(
    "verdict",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("slot", Utc),
    Column("level", String(20), nullable=False),
    Column("stage", String(20), nullable=False),
    Column("clear", Boolean, nullable=False),
    Column("cause", String(40)),
    Column("payload", JSON, nullable=False),
    Column("decided_at", Utc, nullable=False),
    Index(None, "target", "suite", "decided_at"),
    Index(None, "run_id"),
)

alert = Table(
    "alert",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    # None where no verdict caused it, as when slots were missed.
    Column("verdict_id", Id, ForeignKey("verdict.id"), index=True),
    # None where it belongs to no incident.
    Column("incident_id", String(36), ForeignKey("incident.id"), index=True),
    # What was made of it (first, worse, …, silenced) and why; None for those of before there were routes.
    Column("route", String(20)),
    Column("why", Text),
    Column("payload", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
)

# The life of an alert: one row, and its steps in `incident_event`, from which the row can be built again.
incident = Table(
    "incident",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    # The slot it began with; what was decided for slots up to that of its end has no open alert any more.
    Column("slot", Utc, nullable=False),
    Column("value", JSON, nullable=False),
    # The newest alert that tells of a verdict: what its first message is made of.
    Column("alert_id", String(36)),
    Index(None, "target", "suite", "opened_at"),
)
# One at a time for each (target, suite).
Index(
    "uq_incident_open",
    incident.c.target,
    incident.c.suite,
    unique=True,
    sqlite_where=incident.c.closed_at.is_(None),
    postgresql_where=incident.c.closed_at.is_(None),
)

incident_event = Table(
    "incident_event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("incident_id", String(36), ForeignKey("incident.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(30), nullable=False),
    Column("by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("data", JSON, nullable=False),
)

# What deployment tooling is asked for; `id` is the webhook-id of every attempt.
hook = Table(
    "hook",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("action", String(20), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("target", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    # None for what only tells that a verdict changed.
    Column("incident_id", String(36), ForeignKey("incident.id"), index=True),
    Column("verdict_id", Id, ForeignKey("verdict.id"), nullable=False),
    # The model's version and the baseline for which it is done once.
    Column("model", Text),
    Column("baseline_id", Id),
    Column("fallback", String(200)),
    # What a button, or a link, that approves it carries; and what the tool's result carries.
    Column("nonce", String(64)),
    Column("token", String(64)),
    Column("event", JSON(none_as_null=True)),
    Column("requested_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("decided_at", Utc),
    Column("decided_by", String(200)),
    Column("accepted_at", Utc),
    Column("ended_at", Utc),
    Column("result", JSON(none_as_null=True)),
    Column("why", Text),
    Index(None, "target", "action"),
    Index(None, "state", "expires_at"),
)

# Where the messages of one incident hang together in a channel: the channel's own name for the first one.
thread = Table(
    "thread",
    metadata,
    Column("incident_id", String(36), ForeignKey("incident.id"), primary_key=True),
    Column("channel", String(120), primary_key=True),
    Column("reference", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
)

picture = Table(
    "picture",
    metadata,
    Column("alert_id", String(36), ForeignKey("alert.id"), primary_key=True),
    Column("png", LargeBinary, nullable=False),
    # What it shows, for those who cannot see it.
    Column("alt", Text, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    # One of the two is there: a message for people, or a call of a hook.
    Column("alert_id", String(36), ForeignKey("alert.id")),
    Column("hook_id", String(36), ForeignKey("hook.id")),
    Column("channel", String(120), nullable=False),
    # Which part of it: the message itself, or what follows it.
    Column("part", String(20), nullable=False),
    # What may not overtake each other in a channel: the target.
    Column("line", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("leased_until", Utc),
    Column("done_at", Utc),
    Column("receipt", Text),
    Column("error", Text),
    UniqueConstraint("alert_id", "channel", "part"),
    UniqueConstraint("hook_id"),
    Index(None, "state", "due_at"),
    # Finds who stands before a row in its line.
    Index(None, "state", "channel", "line"),
)

# Who did what, in order; each row's hash has that of the row before in it, so that none can be changed unseen.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("who", String(200), nullable=False),
    Column("via", String(40), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

# One judge's verdict on one answer. `occasion` is the run as whose moment it counts: the baseline's where its answers
# are judged by this judge for the first time, else that of the run that paid, `run_id`. Nothing is judged twice on one.
judgement = Table(
    "judgement",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False, index=True),
    Column("occasion", String(36), ForeignKey("run.id"), nullable=False),
    # Which sitting of that occasion: within one a judge is taken for the same judge.
    Column("sitting", String(20), nullable=False),
    Column("judge", String(200), nullable=False),
    Column("judge_fingerprint", String(64), nullable=False),
    Column("rubric", String(200), nullable=False),
    Column("rubric_fingerprint", String(64), nullable=False),
    # Hash of the case, the answer and its contexts.
    Column("material", String(64), nullable=False),
    Column("case_id", Text, nullable=False),
    # "answer" or "canary": why it was asked first.
    Column("purpose", String(20), nullable=False),
    # Criterion to [verdict, evidence]; None, with the reason, where the judge gave none that can be read.
    Column("votes", JSON(none_as_null=True)),
    Column("value", Float),
    Column("reason", Text),
    # How many judges of the panel were asked before it.
    Column("position", Integer, nullable=False),
    # Characters that the answer has.
    Column("length", Integer, nullable=False),
    Column("model", Text),
    Column("fingerprint", Text),
    Column("input_tokens", Integer),
    Column("cached_input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("usd", Float),
    Column("latency", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("judged_at", Utc, nullable=False),
    # In this order it also finds what was said of some materials on one occasion, however much else was said.
    # By the naming convention its name would be longer than PostgreSQL's 63 characters.
    UniqueConstraint(
        "occasion", "material", "sitting", "rubric_fingerprint", "judge", "judge_fingerprint", name="uq_judgement_once"
    ),
    # What was said of some materials lately: the same baseline answers are judged again every week.
    Index(None, "material", "judged_at"),
    Index(None, "judged_at"),
)

# What a panel decided on one answer on one occasion: the score by one scorer.
mark = Table(
    "mark",
    metadata,
    Column("occasion", String(36), ForeignKey("run.id"), primary_key=True),
    Column("sitting", String(20), primary_key=True),
    Column("scorer", String(200), primary_key=True),
    Column("material", String(64), primary_key=True),
    Column("value", Float),
    Column("reason", Text),
    # The criteria on which the judges did not agree.
    Column("split", JSON(none_as_null=True)),
)

# Answers whose verdict is known, pinned with a baseline; what judges said of them are judgements like others.
canary = Table(
    "canary",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", String(36), ForeignKey("run.id"), nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("case_id", Text, nullable=False),
    Column("case_fingerprint", String(64), nullable=False),
    Column("text", Text, nullable=False),
)

# What people said of answers; `criterion` is empty for the whole answer, of which `value` is the score.
label = Table(
    "label",
    metadata,
    Column("id", Id, primary_key=True),
    Column("suite", String(200), nullable=False),
    Column("rubric", String(200), nullable=False),
    Column("case_id", Text, nullable=False),
    # Hash of the answer's text.
    Column("answer_hash", String(64), nullable=False),
    Column("criterion", String(40), nullable=False),
    Column("verdict", String(20)),
    Column("value", Float),
    Column("labelled_by", String(200), nullable=False),
    Column("labelled_at", Utc, nullable=False),
    UniqueConstraint("suite", "rubric", "case_id", "answer_hash", "criterion", "labelled_by", name="uq_label_once"),
)

# How a panel (`judge` is empty), or one of its judges, agrees with people, as of one set of labels.
calibration = Table(
    "calibration",
    metadata,
    Column("id", Id, primary_key=True),
    Column("suite", String(200), nullable=False),
    Column("scorer", String(200), nullable=False),
    Column("rubric", String(200), nullable=False),
    Column("judge", String(200), nullable=False),
    Column("labels", Integer, nullable=False),
    Column("kappa", Float),
    Column("payload", JSON, nullable=False),
    Column("calibrated_by", String(200), nullable=False),
    Column("calibrated_at", Utc, nullable=False),
    Index(None, "suite", "scorer", "calibrated_at"),
)

# What a finished run has used, so that counters of all history are sums over runs, not over answers.
usage = Table(
    "usage",
    metadata,
    Column("run_id", String(36), ForeignKey("run.id"), primary_key=True),
    # "answered", "retried" (calls that failed before an answer came), or the kind of a failure.
    Column("outcome", String(40), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("usd", Float),
)

# Who works on this database: "runner" asks targets, "leader" ticks and delivers. One row each, for ever.
lease = Table(
    "lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(200)),
    # Grows with every holder: what an earlier one still wants to write is refused by it.
    Column("token", BigInteger, nullable=False),
    # Grows with every sign of life. Others watch it change on their own clock, so that no two clocks have to agree.
    Column("beats", BigInteger, nullable=False),
    Column("beat_at", Utc),
    # When the holder last did its work: the leader's last tick, the runner's last answer.
    Column("worked_at", Utc),
    Column("note", JSON, nullable=False),
)

# Which schedule has been in force since when: slots of a new one were not missed before it was there.
timetable = Table(
    "timetable",
    metadata,
    Column("since", Utc, primary_key=True),
    Column("cron", String(200), nullable=False),
    Column("timezone", String(100), nullable=False),
)
