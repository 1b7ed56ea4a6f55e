"""An address in the configuration is one address, whatever stands in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.email_settings import EmailSettings, Mailbox, mailbox
from alerts.channels.smtp_server import smtp_server


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("oncall@example.com", Mailbox("oncall@example.com")),
        ("on.call+llm=1@mail.example", Mailbox("on.call+llm=1@mail.example")),
        ("root@localhost", Mailbox("root@localhost")),
        ("Zoë O'Neil-Smith <z@example.com>", Mailbox("z@example.com", "Zoë O'Neil-Smith")),
    ],
)
def test_one_address_with_or_without_a_name(text, box):
    assert mailbox(text) == box


@pytest.mark.parametrize(
    "text",
    [
        *("", "oncall", "@example.com", "a@", "a@b@c", "a b@example.com", "a@exa mple.com", "a..b@example.com"),
        *(".a@b.example", "a@-b.example", "a@b..example", "a@b.example\n", "<a@b.example>", "a@[127.0.0.1]"),
        *("a@b.example, c@d.example", "a@b.example;c@d.example", "x <a@b.example><c@d.example>", "team: a@b.example;"),
        *("a@b.example\nBcc: c@d.example", "a\r\nBcc: c <c@d.example>", '"a, b" <a@b.example>', "x <a@b.example> y"),
        *("=?utf-8?q?x?= <a@b.example>", "=?a?=@b.example", "x (y) <a@b.example>", "a@b.example (x)", "ä@b.example"),
        *("a@bä.example", "a" * 65 + "@b.example", "a@" + "b" * 64 + ".example", "a@" + "b." * 100 + "example"),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="must be one address"):
        mailbox(text)


@given(st.text(st.sampled_from('aB1@.<>,;:"\\()=?\r\n -é'), max_size=24))
def test_what_is_taken_has_nothing_that_ends_an_address_or_a_line(text):
    try:
        box = mailbox(text)
    except ValueError:
        return
    assert box.address.count("@") == 1
    assert not set('\r\n<>,;:"\\()? ') & set(box.address)
    assert not set('\r\n<>,;:"\\()?@=') & set(box.name)


def test_a_list_of_recipients_has_an_end_and_a_beginning():
    server, box = smtp_server("smtp://localhost"), Mailbox("a@b.example")
    for to in ((), (box,) * 21):
        with pytest.raises(ValueError, match="1 to 20 addresses"):
            EmailSettings(to, box, server)
