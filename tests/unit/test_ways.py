"""Which ways out a configuration has, and that one that cannot be had holds up no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alerts.channel import TransportError
from alerts.channels.email import EmailChannel
from alerts.channels.slack import SlackChannel
from alerts.deliver import State, deliver
from monitor import ways as ways_out
from monitor.config.load import load_config
from monitor.config.models import Config
from monitor.config.secrets import SecretError
from tests.fakes.outbox import START, Clock, MemoryOutbox, ScriptedChannel
from tests.unit.alerts.samples import ROLLBACK

SLACK = '[alerts.slack]\ntoken = { env = "TOKEN" }\nchannel = "C1"\n'
EMAIL = '[alerts.email]\nto = ["a@b.example"]\nfrom = "heldout <h@b.example>"\nsmtp = { env = "SMTP" }\n'
GOOD = {"TOKEN": "xoxb-1", "SMTP": "smtp://u:hunter2@mail.example"}


def config(folder: Path, alerts: str) -> Config:
    (folder / "docs").mkdir()
    (folder / "s.jsonl").write_text('{"id": "a", "input": "b", "expected": "c"}\n', "utf-8")
    path = folder / "config.toml"
    rest = '[suites.s]\ncases = "s.jsonl"\nmetrics = ["f1"]\n[targets.t]\nprovider = "rag"\ndocuments = "docs"\n'
    path.write_text(f'{rest}suites = ["s"]\n{alerts}', "utf-8")
    return load_config(path, {})


def test_each_way_that_is_configured_is_built(tmp_path):
    loaded = config(tmp_path, SLACK + EMAIL)
    ways = ways_out.channels(loaded, GOOD)
    assert {name: type(way) for name, way in ways.items()} == {"slack": SlackChannel, "email": EmailChannel}
    assert [way.name for way in ways.values()] == list(loaded.alerts.channels) == ["slack", "email"]


def test_without_any_there_is_none(tmp_path):
    loaded = config(tmp_path, "")
    assert (ways_out.channels(loaded, {}), list(loaded.alerts.channels)) == ({}, [])


@pytest.mark.parametrize(("slack", "email"), [(False, False), (True, False), (False, True)])
def test_texts_of_cases_are_stored_where_one_way_may_show_them(tmp_path, slack, email):
    tables = f"{SLACK}show_cases = {str(slack).lower()}\n{EMAIL}show_cases = {str(email).lower()}\n"
    assert config(tmp_path, tables).alerts.show_cases is (slack or email)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "environment variable SMTP is not set"),
        ({"SMTP": "smtp://u:hunter2@mail.example/x"}, "environment variable SMTP is not an SMTP address"),
        ({"SMTP": "smtp://hunter2@mail.example"}, "environment variable SMTP must have both a user and a password"),
    ],
)
def test_an_address_that_is_none_is_told_with_its_place_and_without_itself(tmp_path, environ, said):
    with pytest.raises(SecretError) as caught:
        ways_out.channels(config(tmp_path, EMAIL), environ)
    assert str(caught.value).startswith(f"{tmp_path / 'config.toml'}: [alerts.email] smtp: {said}")
    assert "hunter2" not in str(caught.value)


async def test_a_way_that_cannot_be_had_waits_and_the_other_goes_on(tmp_path):
    ways = ways_out.channels(config(tmp_path, SLACK + EMAIL), {"TOKEN": "xoxb-1"})
    clock, outbox = Clock(), MemoryOutbox()
    mail, post = (outbox.put(ROLLBACK, START, channel=name) for name in ("email", "slack"))
    slack = ScriptedChannel(clock)
    until = START + timedelta(minutes=1)
    tally = await deliver(outbox, {**ways, "slack": slack}, clock, until=until, sleep=clock.sleep)
    assert (tally.sent, tally.blocked) == (1, 1)
    assert (post.state, mail.state) == ("sent", State.BLOCKED)
    assert "[alerts.email] smtp: environment variable SMTP is not set" in str(mail.error)
    health = await ways["email"].verify()
    assert (health.working, health.detail) == (False, mail.error)
    with pytest.raises(TransportError):
        await ways["email"].send(ROLLBACK)
