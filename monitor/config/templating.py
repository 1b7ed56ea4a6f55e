"""Says whether the body of an http target is a template that can be filled in."""

from __future__ import annotations

import json

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.config.faults import did_you_mean, listing

# What a template may use; the http target fills them in.
VARIABLES = ("id", "input", "question", "messages", "choices")


def checked_template(body: str) -> str:
    """`body` when it is a Jinja2 template that makes JSON of known variables; else ValueError with the remedy."""
    environment: Environment = ImmutableSandboxedEnvironment()
    try:
        environment.from_string(body)
        used = meta.find_undeclared_variables(environment.parse(body))
    except TemplateSyntaxError as error:
        raise ValueError(f"is not a valid template, line {error.lineno}: {error.message}") from None
    except (TemplateError, RecursionError) as error:
        raise ValueError(f"is not a valid template: {type(error).__name__}") from None
    known = (*VARIABLES, *environment.globals)
    for name in sorted(used - set(known)):
        hint = did_you_mean(name, known)
        raise ValueError(f'uses "{name}", which is not one of {listing(VARIABLES)}{hint}')
    if not used & {"input", "question", "messages"}:
        raise ValueError("never uses the case: put {{ input | tojson }} where the question belongs")
    if not _makes_json(environment.from_string(body)):
        raise ValueError("does not make JSON when a question holds quotes or line breaks: write {{ input | tojson }}")
    return body


def _makes_json(template: Template) -> bool:
    """False only where the template works and what it makes of an awkward question is not JSON."""
    awkward = 'Is it "here"?\nOr \\ there?'
    turns = [{"role": "user", "content": awkward}]
    try:
        made = template.render(id="case-1", input=awkward, question=awkward, messages=turns, choices=["a", "b"])
    except (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return True
    try:
        json.loads(made)
    except (ValueError, RecursionError):
        return False
    return True
