"""Socket Mode through the real slack-sdk: what is pressed is heard once, and a line that goes deaf is replaced."""

import asyncio
import gc
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from alerts.channel import TransportError
from alerts.channels.slack_socket import SocketSettings
from monitor.config.secrets import SecretError
from monitor.daemon.socket import Ear
from tests.fakes.slack_server import APP_TOKEN, pressed, refused, slack_server

PRESS = pressed("heldout.ack", "0193")


@pytest.fixture
async def slack():
    async with slack_server() as server:
        yield server
    gc.collect()  # a session left open would warn here, and warnings are errors


def settings(server, **changes):
    return SocketSettings(APP_TOKEN, server.api, **{"timeout": 2, "ping": 0.1, "deaf": 0.5, **changes})


class Core:
    """What does what is asked for: keeps the payloads, and says `reply`; raises `error` first where there is one."""

    def __init__(self):
        self.heard, self.told = [], []
        self.reply, self.error = None, None

    async def hear(self, payload):
        self.heard.append(payload)
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self.reply

    async def answer(self, payload, text):
        self.told.append((payload["user"]["id"], text))


@asynccontextmanager
async def listening(wanted, core):
    ear = Ear(wanted, core.hear, core.answer, look=0.05, waits=(0.02, 0.1))
    task = asyncio.create_task(ear.run())
    try:
        yield ear
    finally:
        began = time.monotonic()
        ear.stop()
        await task
        assert time.monotonic() - began < 1.0, "the daemon's end waits for it"
        assert ear.state == "off"


async def until(true, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # the server's lists tell nobody that they grow
            await asyncio.sleep(0.01)


async def test_a_press_is_acknowledged_done_and_answered(slack):
    core = Core()
    core.reply = "Acknowledged."
    async with listening(lambda: settings(slack), core) as ear:
        await until(lambda: ear.state == "listening")
        envelope = await slack.press(PRESS)
        await until(lambda: core.told)
        assert core.heard == [PRESS]
        assert core.told == [("U0123456789", "Acknowledged.")]
        await until(lambda: slack.acknowledged == [envelope])
        await slack.press({"text": "x"}, "events_api")
        await until(lambda: len(slack.acknowledged) == 2)
        assert len(core.heard) == 1, "what is not a press is acknowledged and left"
        await asyncio.sleep(0.5)
        assert (ear.lines, slack.lines) == (1, 1), "a line that is well is kept"


async def test_what_is_pressed_while_the_core_is_busy_is_acknowledged_at_once(slack):
    core, go = Core(), asyncio.Event()

    async def slow(payload):
        await go.wait()
        core.heard.append(payload)

    core.hear = slow
    async with listening(lambda: settings(slack), core) as ear:
        await until(lambda: ear.state == "listening")
        await slack.press(PRESS)
        await slack.press(PRESS)
        await until(lambda: len(slack.acknowledged) == 2)
        assert core.heard == []
        go.set()
        await until(lambda: len(core.heard) == 2)


@pytest.mark.parametrize("manner", ["mute", "deaf"])
async def test_a_line_that_has_gone_deaf_is_replaced(slack, manner):
    slack.manner = manner
    core = Core()
    async with listening(lambda: settings(slack), core) as ear:
        await until(lambda: slack.lines == 1)
        slack.manner = "well"
        await until(lambda: slack.lines >= 2 and ear.state == "listening")
        await slack.press(PRESS)
        await until(lambda: core.heard)


async def test_an_old_line_is_replaced_however_well_it_seems(slack):
    async with listening(lambda: settings(slack, longest=0.2), Core()) as ear:
        await until(lambda: ear.lines >= 3)


async def test_another_line_is_opened_when_slack_asks_and_when_it_breaks(slack):
    core = Core()
    async with listening(lambda: settings(slack), core) as ear:
        await until(lambda: ear.state == "listening")
        await slack.disconnect()
        await until(lambda: ear.lines == 2 and len(slack.sockets) == 1)
        slack.sockets[0]._req.transport.abort()
        await until(lambda: ear.lines == 3 and slack.sockets)
        await slack.press(PRESS)
        await until(lambda: core.heard)


async def test_slack_that_refuses_or_is_down_is_asked_again_and_said_once(slack, caplog):
    slack.script.extend([refused("invalid_auth")] * 3)
    core = Core()
    with caplog.at_level(logging.INFO):
        async with listening(lambda: settings(slack), core) as ear:
            await until(lambda: ear.state.startswith("waiting"))
            assert "xapp-…" in ear.state
            await until(lambda: ear.state == "listening")
    told = [record for record in caplog.records if record.message == "Slack cannot be listened to"]
    assert len(told) == 1
    assert APP_TOKEN not in caplog.text
    assert "socket-secret" not in caplog.text


async def test_lines_that_end_as_soon_as_they_begin_do_not_use_up_slacks_addresses(slack):
    core = Core()
    ear = Ear(lambda: settings(slack, longest=0.05), core.hear, core.answer, look=0.05, waits=(0.02, 0.4))
    task = asyncio.create_task(ear.run())
    await asyncio.sleep(1.0)
    ear.stop()
    await task
    assert 2 <= ear.lines <= 4


async def test_an_address_that_is_not_slacks_is_not_called(slack):
    slack.script.append(refused("x"))
    slack.script[0] = replace(slack.script[0], body={"ok": True, "url": "ws://evil.example/link"})
    async with listening(lambda: settings(slack), Core()) as ear:
        await until(lambda: "named no wss address" in ear.state)
        await until(lambda: ear.state == "listening")


@pytest.mark.parametrize("error", [ValueError("private"), TransportError("no reply", permanent=False)])
async def test_a_press_that_comes_to_nothing_takes_nothing_down(slack, error):
    core = Core()
    core.error = error
    async with listening(lambda: settings(slack), core) as ear:
        await until(lambda: ear.state == "listening")
        await slack.press(PRESS)
        await slack.press(PRESS)
        await until(lambda: len(core.heard) == 2)
        assert (ear.presses, ear.lines) == (2, 1)


async def test_it_listens_only_while_it_is_wanted(slack):
    wanted = [None]
    async with listening(lambda: wanted[0], Core()) as ear:
        await asyncio.sleep(0.1)
        assert (ear.state, slack.requests) == ("off", [])
        wanted[0] = settings(slack)
        await until(lambda: ear.state == "listening")
        wanted[0] = None
        await until(lambda: ear.state == "off" and not slack.sockets)


async def test_what_goes_wrong_here_never_reaches_the_daemon(slack):
    faults = [SecretError("environment variable X is not set"), RuntimeError("of our own")]

    def wanted():
        if faults:
            raise faults.pop(0)
        return settings(slack)

    async with listening(wanted, Core()) as ear:
        await until(lambda: ear.state == "waiting: environment variable X is not set")
        await until(lambda: ear.state == "listening")


async def test_a_slack_that_hangs_does_not_hold_up_the_end(slack):
    slack.manner = "mute"
    async with listening(lambda: settings(slack, deaf=60.0, timeout=60), Core()):
        await until(lambda: slack.lines == 1)
