"""What Slack's table of the configuration becomes: channels, whom buttons are for, and where to listen."""

import pytest

from alerts.channels.slack import SlackChannel
from monitor import wiring
from monitor.config.load import load_config
from monitor.config.secrets import SecretError, missing_secrets

BASE = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[targets.bot]
provider = "command"
command = ["./bot"]
suites = ["support"]
[alerts.slack]
"""
BOT = 'token = { env = "BOT" }\nchannel = "C0USUAL"\n'
ENVIRON = {"BOT": "xoxb-bot", "APP": "xapp-app", "SIGNING": "signing", "HOOK": "https://hooks.example/secret"}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "support.jsonl").write_text('{"id": "a", "input": "b", "expected": "c"}\n', "utf-8")

    def loaded(slack):
        (tmp_path / "config.toml").write_text(BASE + slack, "utf-8")
        return load_config(tmp_path / "config.toml", {})

    return loaded


def settings(config, environ=ENVIRON):
    return wiring.slack_settings(config, config.alerts.slack, environ)


def test_one_channel_is_a_way_of_its_own_and_the_other_is_none_that_alerts_choose(config):
    found = config(BOT + 'fallback_channel = "C0OTHER"\nmention = "<!here>"\n')
    ways = wiring.channels(found, ENVIRON)
    assert {name: way.name for name, way in ways.items()} == {"slack": "slack", "slack-fallback": "slack-fallback"}
    assert all(isinstance(way, SlackChannel) for way in ways.values())
    assert wiring.channel_names(found) == ["slack"]
    assert settings(found).mention == "<!here>"


@pytest.mark.parametrize(
    ("slack", "buttons", "approvals"),
    [
        (BOT, False, False),
        (BOT + 'team = "T1"\n', False, False),
        (BOT + 'team = "T1"\nsigning_secret = { env = "SIGNING" }\n', True, False),
        (BOT + 'team = "T1"\napp_token = { env = "APP" }\napprovers = ["U1"]\n', True, True),
    ],
)
def test_there_are_buttons_where_a_press_reaches_heldout_and_counts(config, slack, buttons, approvals):
    powers = settings(config(slack)).powers
    assert (powers.buttons, powers.approvals) == (buttons, approvals)


def test_it_listens_where_there_is_an_app_token(config):
    assert wiring.slack_socket(config(BOT), ENVIRON) is None
    assert wiring.slack_socket(config('webhook_url = { env = "HOOK" }\n'), ENVIRON) is None
    listens = config(BOT + 'team = "T1"\napp_token = { env = "APP" }\nbase_url = "http://127.0.0.1:1/api/"\n')
    socket = wiring.slack_socket(listens, ENVIRON)
    assert (socket.app_token, socket.base_url) == ("xapp-app", "http://127.0.0.1:1/api/")
    assert "xapp-app" not in repr(socket)


def test_a_secret_that_cannot_be_had_is_named_with_its_place(config):
    found = config(BOT + 'team = "T1"\napp_token = { env = "APP" }\nsigning_secret = { env = "SIGNING" }\n')
    with pytest.raises(SecretError, match=r"\[alerts.slack\] app_token: environment variable APP is not set"):
        wiring.slack_socket(found, {"BOT": "xoxb-bot"})
    keys = [fault.key for fault in missing_secrets(found, {"BOT": "xoxb-bot"})]
    assert sorted(keys) == ["app_token", "signing_secret"]
