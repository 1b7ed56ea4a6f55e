"""Recognises what must not stand in a configuration: credentials as literals, also inside an address."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

# The public prefixes by which vendors let their keys be recognised.
_KEY_SHAPES = re.compile(
    r"""\b sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}
      | \b xox[a-z]-[A-Za-z0-9-]{8,} | \b xapp-[A-Za-z0-9-]{8,}
      | \b whsec_[A-Za-z0-9+/=]{16,}
      | \b gh[pousr]_[A-Za-z0-9]{20,} | \b github_pat_\w{20,}
      | \b AKIA[0-9A-Z]{16}
      | \b AIza[A-Za-z0-9_-]{30,}
      | \b hf_[A-Za-z0-9]{20,}
      | \b hooks\.slack\.com/(?:services|workflows|triggers)/\S+
      | \b Bearer\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{12,}=*
    """,
    re.VERBOSE,
)
_CREDENTIAL_NAMES = {"auth", "authorization", "proxyauthorization", "bearer", "cookie", "key", "pwd", "sig", "token"}
_CREDENTIAL_ENDINGS = (
    "apikey",
    "accesskey",
    "subscriptionkey",
    "secretkey",
    "authtoken",
    "accesstoken",
    "apitoken",
    "bearertoken",
    "sessiontoken",
    "authkey",
    "secret",
    "password",
    "passwd",
    "credential",
    "credentials",
    "privatetoken",
)
WITHOUT_SECRETS = "a secret does not belong in this file"
_INSTEAD = "give it as a reference, in api_key or in a header"


def looks_like_secret(text: str) -> bool:
    """Whether `text` holds something that has the shape of a vendor's key."""
    return _KEY_SHAPES.search(text) is not None


def redact(text: str) -> str:
    """`text` with everything that has the shape of a vendor's key replaced."""
    return _KEY_SHAPES.sub("[redacted]", text)


def names_a_credential(name: str) -> bool:
    """Whether a header, parameter or option called `name` usually holds a credential: `X-Api-Key`, not `max_tokens`."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in _CREDENTIAL_NAMES or plain.endswith(_CREDENTIAL_ENDINGS)


def web_address_fault(value: str) -> str | None:
    """Why `value` cannot be used as an http(s) address in the configuration, without repeating it; None if it can."""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        return "must be an address without spaces or line breaks"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid address: write it as https://host:port/path"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with http:// or https:// and name a host"
    if "@" in parts.netloc:
        return f"holds a user name or password before the @: {WITHOUT_SECRETS}; {_INSTEAD}"
    for name, content in parse_qsl(parts.query, keep_blank_values=True):
        if names_a_credential(name) or looks_like_secret(content):
            return f"holds a credential in its query: {WITHOUT_SECRETS}; {_INSTEAD}"
    return None


def holds_password(url: str) -> bool:
    """Whether a database URL has a password before its host, or in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "@" in url
    named = (name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return ":" in parts.netloc.rpartition("@")[0] or any(names_a_credential(name) for name in named)
