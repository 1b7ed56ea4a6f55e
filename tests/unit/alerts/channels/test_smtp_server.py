"""The address of an SMTP server: what it means, and that no refusal repeats it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.smtp_server import SmtpServer, Tls, is_loopback, smtp_server


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 25, Tls.OFFERED)),
        ("smtp://mail.example:2525/", SmtpServer("mail.example", 2525, Tls.OFFERED)),
        ("SMTP://Mail.Example?starttls=require", SmtpServer("mail.example", 25, Tls.REQUIRED)),
        ("smtp://mail.example?starttls=never", SmtpServer("mail.example", 25, Tls.NEVER)),
        ("smtp://u:p@mail.example", SmtpServer("mail.example", 587, Tls.REQUIRED, "u", "p")),
        ("smtp://u%40b.example:p%3A%2F%40%25@m.de", SmtpServer("m.de", 587, Tls.REQUIRED, "u@b.example", "p:/@%")),
        ("smtps://mail.example", SmtpServer("mail.example", 465, Tls.AT_ONCE)),
        ("smtps://u:p@mail.example:4650", SmtpServer("mail.example", 4650, Tls.AT_ONCE, "u", "p")),
        ("smtp://localhost", SmtpServer("localhost", 25, Tls.NEVER)),
        ("smtp://u:p@127.0.0.1:1025", SmtpServer("127.0.0.1", 1025, Tls.NEVER, "u", "p")),
        ("smtp://u:p@[::1]?starttls=never", SmtpServer("::1", 587, Tls.NEVER, "u", "p")),
        ("smtp://u:p@localhost?starttls=require", SmtpServer("localhost", 587, Tls.REQUIRED, "u", "p")),
    ],
)
def test_an_address_that_can_be_used(url, server):
    assert smtp_server(url) == server
    assert "password" not in repr(smtp_server(url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hunter2", "is not an SMTP address"),
        ("https://u:hunter2@mail.example", "is not an SMTP address"),
        ("smtp://u:hunter2@", "is not an SMTP address"),
        ("smtp://u:hun/ter2@mail.example", "is not an SMTP address"),
        ("smtp://u:12#hunter2@mail.example", "is not an SMTP address"),
        ("smtp://u:12?hunter2@mail.example", "may end in"),
        ("smtp://u:hunter2@mail.example:0", "is not an SMTP address"),
        ("smtp://u:hunter2@mail.example:99999", "is not an SMTP address"),
        ("smtp://u:hunter2@mail.example/inbox", "is not an SMTP address"),
        ("smtp://u:hunter2@mail example", "is not an SMTP address"),
        ("smtp://u:hunter2@mail_.example", "is not an SMTP address"),
        ("smtp://u:hunter2@[mail.example", "is not an SMTP address"),
        ("smtp://u:hunter2%ff@mail.example", "is not an SMTP address"),
        ("smtp://u:hunter2%0d%0aRSET@mail.example", "beyond ASCII"),
        ("smtp://u:hünter2@mail.example", "beyond ASCII"),
        ("smtp://hunter2@mail.example", "both a user and a password"),
        ("smtp://:hunter2@mail.example", "both a user and a password"),
        ("smtp://u:hunter2@mail.example?tls=hunter2", "may end in"),
        ("smtp://u:hunter2@mail.example?starttls=require&starttls=never", "may end in"),
        ("smtps://u:hunter2@mail.example?starttls=require", "encrypted at once"),
        ("smtp://u:hunter2@mail.example?starttls=never", "unencrypted"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(url, said):
    with pytest.raises(ValueError, match=said.replace("?", r"\?")) as caught:
        smtp_server(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_an_address_or_refused(before, after):
    for url in (before, f"smtp://{before}", f"smtp://{before}@{after}", f"smtps://u:p@{after}"):
        try:
            server = smtp_server(url)
        except ValueError:
            continue
        assert 1 <= server.port <= 65535
        assert server.host
        assert not (server.user and server.tls in (Tls.OFFERED, Tls.NEVER) and not is_loopback(server.host))


def test_loopback_is_this_machine_alone():
    assert all(map(is_loopback, ("localhost", "localhost.", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("localhost.example", "10.0.0.1", "0.0.0.0", "mail.example")))
