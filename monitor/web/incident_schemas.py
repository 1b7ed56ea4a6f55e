"""The shapes of what is asked and answered about incidents and hooks, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor.web.schemas import Instant, Version

Why = Annotated[str, Field(max_length=1000, description="For those who read the story later.")]
HookId = Annotated[str | None, Field(max_length=100, description="The hook that is meant: its name, or its id.")]


class Approval(BaseModel):
    """A hook that waits for a yes or a no."""

    hook: str
    name: str
    action: str
    expires_at: Instant


class Incident(BaseModel):
    """The life of an alert of one (target, suite).

    `verdict` is the newest, `worst` the worst so far; `hook` and `action`: the rollback that is under way.
    `now_serving`: what a tool said serves now. `retires`: a rollback was done, and the target is not in production.
    """

    id: str
    target: str
    suite: str
    state: Literal["open", "acting", "verifying", "resolved", "escalated"]
    verdict: str
    worst: str
    slot: Instant
    opened_at: Instant
    closed_at: Instant | None
    acknowledged_by: str | None
    acknowledged_at: Instant | None
    silenced_until: Instant | None
    silenced_by: str | None
    approvals: list[Approval]
    hook: str | None
    action: str | None
    now_serving: str | None
    retires: bool
    others: list[str]
    outcome: str


class Step(BaseModel):
    """What happened, when, who did it, and why."""

    what: str
    at: Instant
    by: str
    why: str
    verdict: str | None
    until: Instant | None
    hook: str | None
    action: str | None
    now_serving: str | None
    others: list[str]


class Hook(BaseModel):
    """What deployment tooling was asked for, and what came of it; `status` and `now_serving` are its result."""

    id: str
    name: str
    action: str
    mode: str
    state: Literal["refused", "offered", "rejected", "asked", "accepted", "done", "failed", "expired", "withdrawn"]
    fallback: str | None
    requested_at: Instant
    expires_at: Instant
    decided_at: Instant | None
    decided_by: str | None
    accepted_at: Instant | None
    ended_at: Instant | None
    status: str | None
    now_serving: str | None
    why: str | None


class Story(Incident):
    """An incident with its steps, oldest first, and its hooks."""

    events: list[Step]
    hooks: list[Hook]


class Incidents(BaseModel):
    """Incidents, the newest first."""

    schema_: Version
    incidents: list[Incident]


class OneStory(BaseModel):
    """One incident with all that is known of it."""

    schema_: Version
    incident: Story


class OneIncident(BaseModel):
    """One incident, as it is after what was asked for."""

    schema_: Version
    incident: Incident


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Acknowledgement(_Asked):
    """Somebody sees to it."""

    why: Why = ""


class Silence(_Asked):
    """Nothing more is told but that it got worse, or is over: `for` a time, or `until` an instant."""

    why: Why = ""
    for_: Annotated[str | None, Field(alias="for", max_length=20, description="Such as 7d.")] = None
    until: AwareDatetime | None = None

    @property
    def given(self) -> int:
        """How many of the two were given; one is right."""
        return (self.for_ is not None) + (self.until is not None)


class Resolution(_Asked):
    """It is over, for the reason `why`: what was decided until now is settled."""

    why: Annotated[str, Field(min_length=1, max_length=1000)]


class Decision(_Asked):
    """Yes or no to a hook that waits; without `hook` to the only one."""

    why: Why = ""
    hook: HookId = None


class Result(_Asked):
    """What a tool says came of a hook; without `now_serving`, of a rollback that was done: its fallback."""

    status: Literal["done", "failed"]
    now_serving: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class Taken(BaseModel):
    """A result was taken down. `again`: it was known already, and nothing has changed."""

    schema_: Version
    hook: str
    status: Literal["done", "failed"]
    again: bool
    incident: str | None
    state: str | None


class SlackMessage(BaseModel):
    """What is shown to the person who pressed the button, and to nobody else."""

    response_type: Literal["ephemeral"]
    replace_original: Literal[False]
    text: str
