"""What a server's refusal means, and that it never repeats the login."""

from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerts.channels.email_errors import Stage, nobody_took_it, redacted, refusal
from alerts.channels.smtp_server import smtp_server

SERVER = smtp_server("smtp://alerts%40b.example:hunter2%21@mail.example")


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("code", [421, 450, 451, 452, 454])
def test_a_4xx_passes_by_itself(stage, code):
    error = refusal(SERVER, stage, code, b"later")
    assert (error.permanent, error.this_message) == (False, False)
    assert error.message == (f"mail.example:587 answered {code} while {stage.value} (“later”); it will be tried again")


@pytest.mark.parametrize(
    ("stage", "code", "this_message", "said"),
    [
        (Stage.GREETING, 554, False, "does not take mail from this machine"),
        (Stage.LOGIN, 535, False, "check the user and password"),
        (Stage.LOGIN, 534, False, "check the user and password"),
        (Stage.SENDER, 530, False, "wants a login or TLS first"),
        (Stage.SENDER, 550, False, "check alerts.email.from"),
        (Stage.SENDER, 552, True, "does not take this message"),
        (Stage.RECIPIENT, 550, False, "check alerts.email.to"),
        (Stage.CONTENT, 550, True, "does not take this message"),
        (Stage.CONTENT, 552, True, "does not take this message"),
        (Stage.CONTENT, 554, True, "does not take this message"),
    ],
)
def test_a_5xx_waits_for_somebody_and_says_what_to_do(stage, code, this_message, said):
    error = refusal(SERVER, stage, code, b"no")
    assert (error.permanent, error.this_message) == (True, this_message)
    assert said in error.message


@pytest.mark.parametrize("code", [-1, 0, 99, 700])
def test_what_is_no_reply_is_no_smtp_server(code):
    error = refusal(SERVER, Stage.GREETING, code, b"<html>")
    assert not error.permanent
    assert "does not speak SMTP" in error.message
    assert "html" not in error.message


def test_recipients_pass_as_soon_as_one_of_them_may():
    gone, busy = (550, b"unknown"), (450, b"greylisted")
    assert nobody_took_it(SERVER, {"a@b.example": gone}).permanent
    assert nobody_took_it(SERVER, {"a@b.example": gone}).message.startswith("a@b.example was refused: ")
    both = nobody_took_it(SERVER, {"a@b.example": gone, "c@d.example": busy})
    assert not both.permanent
    assert both.message.startswith("all 2 recipients were refused: ")


def test_the_servers_words_are_cut_and_cleaned_and_hold_no_login():
    plain = b64encode(b"\0alerts@b.example\0hunter2!").decode()
    said = f"no \x1b[31m{plain} HUNTER2! alerts@b.example\r\n hunter\u200b2! " + "x" * 500
    error = refusal(SERVER, Stage.LOGIN, 535, said.encode())
    shown = error.message.split("“")[1].split("”")[0]
    assert len(shown) <= 200
    assert shown.startswith("no \ufffd[31m[…] […] […] […] xxx")


@given(st.text(max_size=20), st.text(max_size=20))
@example("hunter2", "!")
def test_no_secret_is_left(before, after):
    for secret in ("hunter2!", "alerts@b.example", b64encode(b"hunter2!").decode()):
        assert secret not in redacted(before + secret + after, SERVER)
        assert secret not in refusal(SERVER, Stage.LOGIN, 535, before + secret + after).message
