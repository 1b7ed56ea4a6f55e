"""Says in words that a person can act on what the models refuse, and where it stands in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.config.faults import did_you_mean, listing, nearest
from monitor.config.fields import HOW_TO_REFER
from monitor.config.hooks import HookConfig
from monitor.config.judges import JudgeConfig, Judging
from monitor.config.models import (
    Alerts,
    AnthropicTarget,
    Budget,
    CommandTarget,
    Config,
    Database,
    Deadman,
    Decision,
    Email,
    HttpTarget,
    OpenAITarget,
    RagTarget,
    Schedule,
    SuiteConfig,
    TargetTable,
    ThresholdTable,
    Web,
    WebToken,
)
from monitor.config.places import Finding, Place
from monitor.config.rubrics import RubricRefusedError
from monitor.config.slack import Slack
from monitor.config.tables import Price, Table

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PROVIDERS: dict[str, type[TargetTable]] = {
    "openai": OpenAITarget,
    "anthropic": AnthropicTarget,
    "http": HttpTarget,
    "command": CommandTarget,
    "rag": RagTarget,
}
_SECTIONS: dict[Place, type[Table]] = {
    (): Config,
    ("database",): Database,
    ("schedule",): Schedule,
    ("thresholds",): ThresholdTable,
    ("decision",): Decision,
    ("budget",): Budget,
    ("judging",): Judging,
    ("alerts",): Alerts,
    ("alerts", "slack"): Slack,
    ("alerts", "email"): Email,
    ("deadman",): Deadman,
    ("web",): Web,
}
_WORDS = {
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "tuple_type": 'must be a list, such as ["…"]',
    "dict_type": "must be a table",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}
_WHAT = {
    "cases": 'the file with the test set, such as "support.jsonl"',
    "provider": 'one of "openai", "anthropic"',  # of a judge; targets tell theirs by the union that they are
    "model": "the model's name as the provider knows it",
    "url": "where to send the case",
    "body": """what to send, such as '{"question": {{ input | tojson }}}'""",
    "answer": 'where the answer is in the reply, such as "result.text"',
    "command": 'the program with its arguments, such as ["./answer"]',
    "to": 'the addresses to write to, such as ["oncall@example.com"]',
    "from": 'the address that alerts come from, such as "heldout@example.com"',
    "smtp": 'the server\'s address by reference, such as { env = "SMTP_URL" }',
    "documents": "the folder with Markdown and text to search",
}


def findings(document: dict[str, Any], errors: list[ErrorDetails]) -> list[Finding]:
    """The errors of validating `document` against `Config`, each with its place in the document."""
    found = []
    for error in errors:
        place = _place(error)
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, RubricRefusedError):
            found += [(place, fault) for fault in cause.faults]
            continue
        # A list whose only items are faulty counts as too short as well.
        if error["type"] != "too_short" or not _value(document, place):
            found.append((place, _message(document, place, error)))
    return found


def _value(document: dict[str, Any], place: Place) -> Any:
    value: Any = document
    for part in place:
        value = value[part]
    return value


def _place(error: ErrorDetails) -> Place:
    """The path in the file: without the provider and the kind of value, which the models put into it."""
    loc = error["loc"]
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return (*loc, "provider")
    parts = [*loc[:2], *loc[3:]] if loc[0] == "targets" and len(loc) > 2 and loc[2] in PROVIDERS else list(loc)
    return tuple(part for part in parts if not (isinstance(part, str) and part in ("<text>", "<reference>")))


def _message(document: dict[str, Any], place: Place, error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(document, place)
    if kind == "literal_error":
        allowed = [part.strip("' ") for part in context["expected"].replace(" or ", ", ").split(", ")]
        return f"must be one of {listing(allowed)}{_near(document, place, allowed)}"
    if kind == "union_tag_not_found":
        return f"is missing: one of {listing(PROVIDERS)}"
    if kind == "union_tag_invalid":
        return f"must be one of {listing(PROVIDERS)}{_near(document, place, PROVIDERS)}"
    if kind in ("model_type", "model_attributes_type"):
        if context.get("class_name") == "Secret":
            return f"must be a reference, never the secret itself: {HOW_TO_REFER}"
        if context.get("class_name") == "MetricConfig":
            return 'must be a metric\'s name in quotes, or { name = "…" } with its options'
        return "must be a table"
    if kind == "missing":
        what = _WHAT.get(str(place[-1]))
        return "is missing" if what is None else f"is missing: {what}"
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return error["msg"]


def _near(document: dict[str, Any], place: Place, allowed: Any) -> str:
    """A suggestion for a wrong value; the value itself is not repeated."""
    value = _value(document, place)
    return did_you_mean(value, allowed) if isinstance(value, str) else ""


def _table(document: dict[str, Any], place: Place) -> type[Table] | None:
    """The model of the table at `place`, or None where it is a reference to a secret."""
    if place in _SECTIONS:
        return _SECTIONS[place]
    if place[0] == "suites":
        return SuiteConfig
    if place[:2] == ("web", "tokens") and len(place) == 3:
        return WebToken
    if place[0] == "targets" and len(place) == 2:
        return PROVIDERS[document["targets"][place[1]]["provider"]]
    if place[0] == "judges" and len(place) == 2:
        return JudgeConfig
    if place[0] == "hooks" and len(place) == 2:
        return HookConfig
    return Price if place[-1] == "price" else None


def _unknown(document: dict[str, Any], place: Place) -> str:
    name = str(place[-1])
    table = _table(document, place[:-1])
    if table is None:
        return f"unknown key in a reference to a secret, which is one of {HOW_TO_REFER}"
    fields = table.model_fields.items()
    known = [field.alias or key for key, field in fields if table is not Config or key != "path"]
    if len(place) == 1:
        found = nearest(name, known)
        what = "table" if isinstance(document[name], dict) else "key"
        return f"unknown {what}" + ("" if found is None else f"; did you mean [{found}]?")
    if place[0] == "targets" and len(place) == 3:
        owners = [provider for provider, model in PROVIDERS.items() if name in model.model_fields]
        if owners:
            own = document["targets"][place[1]]["provider"]
            return f'belongs to provider = {" or ".join(listing([o]) for o in owners)}, and this one is "{own}"'
    if place[0] == "judges" and len(place) == 3 and any(name in model.model_fields for model in PROVIDERS.values()):
        return "belongs to a target, and this is a judge: leave it out"
    return f"unknown key{did_you_mean(name, known)}"
