"""A letter laid out as plain text, which is complete by itself, and as HTML that a phone can show; pure."""

from __future__ import annotations

from html import escape

from alerts.alert import Fact
from alerts.channels.email_letter import Case, Letter

_COLOURS = {"rollback": "#c62828", "investigate": "#c75f00", "good": "#2e7d32", "other": "#546e7a"}
_BODY = "margin:0;padding:0;background:#f2f4f5"
_SHEET = (
    "max-width:600px;margin:0 auto;padding:16px;background:#ffffff;color:#1c2124;overflow-wrap:anywhere;"
    "font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
)
_CODE = "font:14px/1.4 ui-monospace,Menlo,Consolas,monospace;background:#eef1f2;border-radius:4px;padding:2px 4px"
_BLOCK = f"{_CODE};display:block;margin:4px 0 8px;padding:8px;white-space:pre-wrap"
_TITLE = "font-size:16px;margin:20px 0 4px"
_LABEL = "padding:2px 12px 2px 0;color:#566167;vertical-align:top;text-align:left;font-weight:normal"


def text_part(letter: Letter, picture_name: str) -> str:
    """The whole letter in lines."""
    lines = [letter.headline, "", letter.lead]
    if letter.meaning:
        lines += ["", f"What it means: {letter.meaning}"]
    if letter.steps:
        lines += ["", "What to do:"]
        for number, step in enumerate(letter.steps, 1):
            lines += [f"{number}. {step.do}", *([f"   {step.command}"] if step.command else [])]
        lines += _more(letter.more_steps)
    if letter.facts:
        lines += ["", *(f"{fact.label}: {fact.value}" for fact in letter.facts)]
    if letter.reasons:
        lines += ["", "Why:", *(f"- {reason}" for reason in letter.reasons), *_more(letter.more_reasons)]
    if letter.examples:
        lines += ["", "Cases that lost most: " + ", ".join(letter.examples)]
    for case in letter.cases:
        lines += ["", *_case_lines(case)]
    if letter.picture:
        lines += ["", f"Picture ({picture_name}): {letter.picture}"]
    if letter.links:
        lines += ["", *(f"{label}: {url}" for label, url in letter.links)]
    # The signature's mark of old: what follows only identifies the message.
    return "\n".join([*lines, "", "-- ", *(f"{fact.label}: {fact.value}" for fact in letter.footer), ""])


def html_part(letter: Letter, cid: str) -> str:
    """The letter as a page with its styles in place; `cid` is the content id of the picture, where there is one."""
    body = [
        f'<h1 style="font-size:20px;line-height:1.3;margin:0 0 12px;padding-left:10px;'
        f'border-left:6px solid {_COLOURS[letter.tone]}">{escape(letter.headline)}</h1>',
        f"<p>{escape(letter.lead)}</p>",
    ]
    if letter.meaning:
        body.append(f"<p><b>What it means:</b> {escape(letter.meaning)}</p>")
    if letter.picture:
        body.append(f'<img src="cid:{cid}" alt="{escape(letter.picture)}" style="width:100%;height:auto;border:0">')
    body += _steps(letter)
    if letter.facts:
        body.append(f'<table style="border-collapse:collapse;margin:16px 0">{_rows(letter.facts)}</table>')
    if letter.reasons:
        reasons = [*letter.reasons, *_more(letter.more_reasons)]
        items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
        body.append(f'<h2 style="{_TITLE}">Why</h2><ul style="margin:0;padding-left:22px">{items}</ul>')
    if letter.examples:
        ids = ", ".join(_code(case) for case in letter.examples)
        body.append(f'<h2 style="{_TITLE}">Cases that lost most</h2><p style="margin:0">{ids}</p>')
    body += [_case_block(case) for case in letter.cases]
    if letter.links:
        links = " · ".join(f'<a href="{escape(url)}">{escape(label)}</a>' for label, url in letter.links)
        body.append(f"<p>{links}</p>")
    small = "margin:20px 0 0;border-top:1px solid #d5dadd;padding-top:8px;font-size:13px;color:#566167"
    footer = "<br>".join(f"{escape(fact.label)}: {_value(fact)}" for fact in letter.footer)
    body.append(f'<p style="{small}">{footer}</p>')
    return _page(letter.headline, "\n".join(body))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title></head>\n<body style="{_BODY}"><div style="{_SHEET}">\n'
        f"{body}\n</div></body></html>\n"
    )


def _more(count: int) -> list[str]:
    return [f"… and {count} more"] if count else []


def _case_lines(case: Case) -> list[str]:
    lines = [case.title]
    for what, text in case.texts:
        # Indented, so that nothing in a case looks like a line of ours.
        lines += [f"  {what}:", *(f"    {line}" for line in text.split("\n"))]
    return lines


def _case_block(case: Case) -> str:
    texts = "".join(f'{escape(what)}<code style="{_BLOCK}">{escape(text)}</code>' for what, text in case.texts)
    return f'<h2 style="{_TITLE}">{escape(case.title)}</h2><div style="font-size:14px">{texts}</div>'


def _steps(letter: Letter) -> list[str]:
    if not letter.steps:
        return []
    items = [
        f"<li>{escape(step.do)}" + (f'<code style="{_BLOCK}">{escape(step.command)}</code>' if step.command else "")
        for step in letter.steps
    ]
    more = "".join(f"<p>{text}</p>" for text in _more(letter.more_steps))
    steps = "</li>".join(items) + "</li>"
    return [f'<h2 style="{_TITLE}">What to do</h2><ol style="margin:0;padding-left:22px">{steps}</ol>{more}']


def _rows(facts: tuple[Fact, ...]) -> str:
    return "".join(f'<tr><th style="{_LABEL}">{escape(f.label)}</th><td>{_value(f)}</td></tr>' for f in facts)


def _value(fact: Fact) -> str:
    return _code(fact.value) if fact.exact else escape(fact.value)


def _code(text: str) -> str:
    return f'<code style="{_CODE}">{escape(text)}</code>'
