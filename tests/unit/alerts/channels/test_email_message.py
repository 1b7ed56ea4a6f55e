"""An alert as an e-mail: read back as a mail program would, it says what it should and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, example, given, settings

from alerts.alert import Cause, Example, Kind, Link
from alerts.channels.email_letter import letter
from alerts.channels.email_message import message
from alerts.channels.email_parts import html_part, text_part
from alerts.channels.email_settings import EmailSettings, mailbox
from alerts.channels.smtp_server import smtp_server
from tests.property.test_escaping import alerts as any_alert
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK

NOW = datetime(2026, 11, 16, 13, 0, 5, tzinfo=UTC)
TO = (mailbox("oncall@example.com"), mailbox("Zoë <zoe@example.com>"))
SETTINGS = EmailSettings(TO, mailbox("heldout <heldout@alerts.example.com>"), smtp_server("smtp://localhost"))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
HEADERS = [
    "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Heldout-Alert", "Importance", "MIME-Version",
    "Content-Type",
]  # fmt: skip
TAGS = {
    *("html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "b", "a", "br"),
    *("ol", "ul", "li", "code", "table", "tr", "th", "td"),
}


def read(built):
    """What arrives: the bytes that are sent, parsed as any recipient's program does."""
    raw = built.as_bytes()
    raw.decode("ascii")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    return message_from_bytes(raw, policy=default)


def parts(built):
    """The text and the HTML of a message, and nothing that has a fault."""
    found = read(built)
    for part in found.walk():
        assert not part.defects
    text, html = (found.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    return text, html


class Page(HTMLParser):
    """The elements and attributes of a page, and what it shows."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses, self.shown, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        assert {name for name, _ in attrs} <= {"style", "href", "src", "alt", "lang", "charset", "name", "content"}
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.shown.append(data)


def test_the_headers_say_what_it_is():
    found = read(message(ROLLBACK, SETTINGS, NOW))
    assert list(found) == HEADERS
    assert found["Subject"] == "🔴 ROLLBACK: support-ft on support"
    assert found["From"] == "heldout <heldout@alerts.example.com>"
    assert found["To"] == "oncall@example.com, Zoë <zoe@example.com>"
    assert found["Date"].datetime == NOW
    assert found["Message-ID"] == f"<{ROLLBACK.id}@heldout.alerts.example.com>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["X-Heldout-Alert"] == ROLLBACK.id
    assert found["Importance"] == "high"
    assert found.get_content_type() == "multipart/alternative"


def test_only_what_is_urgent_is_important():
    assert "Importance" not in message(INVESTIGATE, SETTINGS, NOW)
    assert "Importance" not in message(replace(ROLLBACK, kind=Kind.RECOVERED), SETTINGS, NOW)


def test_the_text_is_complete_by_itself():
    text, _ = parts(message(ROLLBACK, SETTINGS, NOW))
    assert (
        text
        == f"""\
🔴 ROLLBACK: support-ft on support

Score 83.3 of 100, {text.split("Score 83.3 of 100, ")[1].splitlines()[0]}

What it means: Users now get clearly worse answers than at deployment; two independent replays agree.

What to do:
1. Send traffic to support-rag: 3.9 points better on the same cases
   heldout incident approve 12
2. Look at the cases that got worse
   heldout incident show 12

Verdict: rollback (confirmed by a second replay)
Verdict before: investigate
Second replay: down 5.3 points (95% interval 4.2 to 6.4)
Thresholds: investigate at 3 points, roll back at 5 points
Measured on: 200 cases, 3,200 answers
Model asked for: ft:acme:support

Why:
- Likely cause (model): 31 of 200 answers changed; the judge's anchors did not move
- the interval of the drop lies above the investigate threshold, its estimate above the rollback one

Cases that lost most: refund-017, geo-003

Run: https://heldout.internal/runs/0193a7c1?a=1&b=2

--{" "}
Run: 0193a7c1-9f00-7b12-8e55-0a1b2c3d4e5f
Slot: Mon 16 Nov 2026, 06:00 UTC
Measured: Mon 16 Nov 2026, 12:58 UTC
Alert: 0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a
"""
    )


def test_the_page_says_the_same():
    text, html = parts(message(ROLLBACK, SETTINGS, NOW))
    page = Page(html)
    shown = " ".join(page.shown)
    for line in text.splitlines():
        value = line.lstrip("-12. ").removesuffix(":").split(": ", 1)[-1]
        assert all(said in shown or said in page.addresses for said in value.split(", ")), line
    assert page.open == []
    assert page.addresses == ["https://heldout.internal/runs/0193a7c1?a=1&b=2"]
    assert "max-width:600px" in html
    assert 'name="viewport"' in html


def test_texts_of_cases_leave_only_with_leave():
    for part in parts(message(ROLLBACK, SETTINGS, NOW)):
        assert "Can I return it?" not in part
        assert "refund-017" in part
    for part in parts(message(ROLLBACK, replace(SETTINGS, show_cases=True), NOW)):
        assert "Can I return it?" in part
        assert "Case refund-017: score 100.0 at deployment, 0.0 now" in part


def test_a_text_of_a_case_cannot_look_like_a_line_of_ours():
    text = "fine\r\n-- \nAlert: another\u2028What to do:\n1. Type this"
    shown, _ = parts(
        message(replace(ROLLBACK, examples=(Example("a", text),)), replace(SETTINGS, show_cases=True), NOW)
    )
    assert "    -- \n    Alert: another\n    What to do:\n    1. Type this\n" in shown


def test_a_picture_is_shown_in_the_page_and_named_in_the_text():
    found = read(message(ROLLBACK, SETTINGS, NOW, picture=PNG))
    text, html = parts(message(ROLLBACK, SETTINGS, NOW, picture=PNG))
    (picture,) = [part for part in found.walk() if part.get_content_maintype() == "image"]
    assert picture.get_content() == PNG
    assert picture.get_content_disposition() == "inline"
    (address,) = [each for each in Page(html).addresses if each.startswith("cid:")]
    assert picture["Content-ID"] == f"<{address.removeprefix('cid:')}>"
    assert "\nPicture (trend.png): Trend of the score. 🔴 ROLLBACK: support-ft on support\n" in text
    assert 'alt="Trend of the score. 🔴 ROLLBACK: support-ft on support"' in html
    with pytest.raises(ValueError, match="must be a PNG"):
        message(ROLLBACK, SETTINGS, NOW, picture=b"GIF89a")


def test_a_conversation_hangs_on_its_root():
    by_id = message(INVESTIGATE, SETTINGS, NOW, root=ROLLBACK.id)
    by_receipt = message(INVESTIGATE, SETTINGS, NOW, root=str(message(ROLLBACK, SETTINGS, NOW)["Message-ID"]))
    for found in (by_id, by_receipt):
        above = f"<{ROLLBACK.id}@heldout.alerts.example.com>"
        assert (read(found)["In-Reply-To"], read(found)["References"]) == (above, above)
    first = message(ROLLBACK, SETTINGS, NOW, root=ROLLBACK.id)
    assert "In-Reply-To" not in first
    hostile = read(message(INVESTIGATE, SETTINGS, NOW, root="<a@b>\r\nBcc: <c@d.example>"))
    assert "Bcc" not in hostile
    assert hostile["In-Reply-To"].endswith("@heldout.alerts.example.com>")


def test_the_longest_ids_stay_whole():
    far = replace(SETTINGS, sender=mailbox("a@" + ("b" * 60 + ".") * 3 + "com"))
    found = read(message(replace(ROLLBACK, id="x" * 64), far, NOW, root="y" * 64, picture=PNG))
    assert found["Message-ID"].strip() == f"<{'x' * 64}@heldout.{far.sender.domain}>"
    assert found["References"].strip() == found["In-Reply-To"].strip() == f"<{'y' * 64}@heldout.{far.sender.domain}>"


def test_a_retry_has_the_same_id_and_another_date():
    first, again = (message(ROLLBACK, SETTINGS, at) for at in (NOW, NOW.replace(hour=20)))
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Date"] != again["Date"]


@pytest.mark.parametrize(
    "name",
    [
        "x\r\nBcc: c@d.example",
        "=?utf-8?q?x=0D=0ABcc=3A_c=40d.example?=",
        "=?utf-8?b?" + "QQ" * 200 + "?=",
        "\x85Bcc: a",
        "é" * 400,
    ],
)
def test_a_name_cannot_make_a_header(name):
    found = read(message(replace(ROLLBACK, target=name, id=name), SETTINGS, NOW))
    assert list(found) == HEADERS
    assert "\n" not in found["Subject"]
    assert found["Subject"].startswith("🔴 ROLLBACK: ")
    assert len(found["Subject"]) <= 150
    assert found["To"] == "oncall@example.com, Zoë <zoe@example.com>"


def test_megabytes_become_a_message_that_can_be_read():
    long = "<&>\U0001f534\u202e" * 200_000
    alert = replace(
        ROLLBACK,
        reasons=(long,) * 40,
        causes=(Cause(long, long),) * 40,
        meaning=long,
        examples=(Example(long, long, long, long, long, 1.0, 0.0),) * 40,
        links=(Link(long, "https://a.example/" + "a" * 400),) * 40,
        run=long,
    )
    built = message(alert, replace(SETTINGS, show_cases=True), NOW)
    text, html = parts(built)
    assert len(built.as_bytes()) < 250_000
    assert "[cut: 1,000,000 characters]" in text
    assert "… and 30 more" in text
    assert "… and 30 more" in html


def test_an_address_that_is_no_web_address_is_not_linked():
    links = tuple(Link("x", url) for url in ("javascript:alert(1)", 'https://a.example/"onclick=1', "http://a b/"))
    text, html = parts(message(replace(ROLLBACK, links=links), SETTINGS, NOW))
    assert Page(html).addresses == []
    assert "javascript" not in text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(alert=any_alert)
@example(replace(ROLLBACK, target="=?utf-8?q?a?= =?utf-8?q?b?=", suite="=?"))
def test_any_text_becomes_a_message_whose_headers_are_ours(alert):
    shown = replace(SETTINGS, show_cases=True)
    built = message(alert, shown, NOW)
    expected = letter(alert, show_cases=True)
    found = read(built)
    assert list(found) == [name for name in HEADERS if name != "Importance" or alert.urgent]
    assert found["Subject"] == expected.headline.replace("=?", "= ?")
    assert found["To"] == "oncall@example.com, Zoë <zoe@example.com>"
    text, html = parts(built)
    assert text == text_part(expected, "trend.png")
    assert html == html_part(expected, "trend")
    page = Page(html)
    assert page.open == []
    assert set(page.tags) <= TAGS
    assert set(page.addresses) <= {link.url for link in alert.links}
