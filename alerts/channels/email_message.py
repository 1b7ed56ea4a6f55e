"""An alert as an e-mail: headers, a plain text and an HTML part, and a picture where there is one; pure."""

from __future__ import annotations

import re
from datetime import datetime
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from hashlib import sha256

from alerts.alert import Alert
from alerts.channels.email_letter import letter
from alerts.channels.email_parts import html_part, text_part
from alerts.channels.email_settings import EmailSettings, Mailbox

PICTURE_NAME = "trend.png"
_PNG = b"\x89PNG\r\n\x1a\n"
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.-]{1,64}@[A-Za-z0-9.-]{1,200}>")


def message(
    alert: Alert, settings: EmailSettings, now: datetime, *, picture: bytes | None = None, root: str | None = None
) -> EmailMessage:
    """The message for `alert`, written at `now` (aware); the same Message-ID each time.

    `picture` is a PNG, shown in the HTML. `root` is what the conversation hangs on: the id of an incident or of its
    first alert, or the Message-ID that a receipt gave. A picture that is no PNG raises ValueError.
    """
    if picture is not None and not picture.startswith(_PNG):
        raise ValueError("the picture of an e-mail must be a PNG")
    parts = letter(alert, show_cases=settings.show_cases, picture=picture is not None)
    built = EmailMessage(_policy())
    # Python reads an encoded word (RFC 2047) in what it is given; one in a name could say anything, a line end too.
    built["Subject"] = parts.headline.replace("=?", "= ?")
    built["From"] = _address(settings.sender)
    built["To"] = tuple(_address(one) for one in settings.to)
    built["Date"] = now
    built["Message-ID"] = own = message_id(alert.id, settings)
    above = root if root is None or _MESSAGE_ID.fullmatch(root) else message_id(root, settings)
    if above is not None and above != own:
        built["In-Reply-To"] = above
        built["References"] = above
    built["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine may answer
    built["X-Heldout-Alert"] = _plain_id(alert.id)
    if alert.urgent:
        built["Importance"] = "high"
    cid = f"trend.{_plain_id(alert.id)[:36]}@heldout"  # short: a header that is folded would not be found by it
    built.set_content(text_part(parts, PICTURE_NAME))
    built.add_alternative(html_part(parts, cid), subtype="html")
    if picture is not None:
        page = built.get_payload(1)
        assert isinstance(page, EmailMessage)  # noqa: S101  # add_alternative has just put it there
        page.add_related(picture, "image", "png", cid=f"<{cid}>", filename=PICTURE_NAME, disposition="inline")
    return built


class _Subject(UnstructuredHeader, BaseHeader):
    """A subject that arrives as it was: the library's own folding loses and adds spaces between encoded words."""

    def fold(self, *, policy: Policy) -> str:
        charset = "us-ascii" if str(self).isascii() else "utf-8"
        encoded = Header(str(self), charset, header_name="Subject").encode(linesep=policy.linesep)
        return f"Subject: {encoded}{policy.linesep}"


def _policy() -> Policy:
    """How the message is written: in 7 bits, so that no server has to be asked whether it takes 8."""
    headers = HeaderRegistry()
    headers.map_to_type("subject", _Subject)
    return SMTP.clone(cte_type="7bit", header_factory=headers)


def message_id(name: str, settings: EmailSettings) -> str:
    """The Message-ID that stands for `name`, the id of an alert or an incident, whenever it is asked for."""
    return f"<{_plain_id(name)}@heldout.{settings.sender.domain}>"


def _plain_id(name: str) -> str:
    """`name`, or where it holds what an id may not, a fingerprint of it."""
    return name if _ID.fullmatch(name) else sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _address(box: Mailbox) -> Address:
    return Address(box.name, addr_spec=box.address)
