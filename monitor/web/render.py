"""Answers as bytes: JSON that never holds NaN, pages whose every text is escaped, errors as one or the other."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import Response

_TEMPLATES = Path(__file__).parent / "templates"
# Programs ask these; everything else is for a browser.
_FOR_PROGRAMS = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/flagger/", "/slack/")


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer in ASCII; a number that is not finite becomes null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    return Response(text, status, dict(headers or {}), "application/json")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_for_programs(path: str) -> bool:
    """Whether programs ask this address, and get JSON where people get a page."""
    return path == "/api" or path.startswith(_FOR_PROGRAMS)


def plain(value: Any) -> Any:
    """Texts without control characters and marks that turn the reading direction; anything else as it is.

    What a model or provider wrote may hold them, and none of them is text.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if value.isascii() and value.isprintable():
        return value
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in value)


class Renderer:
    """Makes pages from the templates; `policy` is the Content-Security-Policy that lets in their own style alone."""

    def __init__(self) -> None:
        css = (_TEMPLATES / "heldout.css").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            auto_reload=False,
            undefined=jinja2.StrictUndefined,
            finalize=plain,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # The file is our own, and its hash holds for these very bytes.
        self._templates.globals["css"] = Markup(css)  # noqa: S704

    def page(self, name: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
        """The page that the template `name` makes of `values`."""
        text = self._templates.get_template(name).render(values)
        return Response(text, status, dict(headers or {}), "text/html")

    def error(
        self,
        path: str,
        status: int,
        message: str,
        *,
        permanent: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Why a request is not answered: JSON for programs, a small page for people."""
        if is_for_programs(path):
            return json_answer({"error": plain(message), "permanent": permanent}, status, headers)
        phrase = HTTPStatus(status).phrase
        return self.page("error.html", status, headers, title=phrase, message=message, permanent=permanent)
