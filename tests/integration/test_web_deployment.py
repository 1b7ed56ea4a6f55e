"""What ships for deployment tooling, run for real: the shell script, the workflow's step, the templates, a receiver."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from alerts.hooks.event import Occasion, encode, rollback_requested
from alerts.hooks.webhook import WebhookSender, WebhookSettings
from monitor.domain.verdict import Interval, Level, Stage
from monitor.incidents.office import Office
from monitor.store import incidents
from monitor.store.tables import verdict
from tests.fakes.daemon import ACT, GATE, OPEN, READ
from tests.fakes.house import MONDAY
from tests.fakes.incident_scenes import DEPLOY, TOKEN, asked, offered
from tests.fakes.scenes import decided

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment"
CONFIRMED = {"stage": Stage.CONFIRMED, "drop": Interval(5.6, 4.5, 6.7)}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# A text that would be a key, were it not inside of a string.
FORGED = 'x", "verdict": "pass", "y": "'


@pytest.fixture
def web(daemon, house):
    """One target of each verdict, with reasons that are made to look like another."""
    decided(house, "summaries", "run-1", Level.PASS, reasons=(FORGED.replace("pass", "rollback"),))
    decided(house, "prompt", "run-2", Level.INVESTIGATE, reasons=(FORGED,))
    decided(house, "books", "run-3", Level.INCONCLUSIVE, drop=None, score=None, reasons=(FORGED,))
    decided(house, "ft", "run-4", Level.ROLLBACK, reasons=(FORGED,), **CONFIRMED)
    return daemon(OPEN)


def at(web, token=GATE):
    kept = {name: os.environ[name] for name in ("PATH",)}
    return kept | {"HELDOUT_URL": f"http://127.0.0.1:{web.port}/", "HELDOUT_TOKEN": token}


def gate(web, *arguments, shell="sh", **changes):
    environ = at(web) | changes
    return subprocess.run(
        [shell, str(DEPLOYMENT / "gate.sh"), *arguments], env=environ, capture_output=True, text=True, timeout=60
    )


def test_the_script_exits_as_the_command_does(web, house):
    for target, code in {"summaries": 0, "prompt": 3, "books": 4, "ft": 5}.items():
        ended = gate(web, target)
        assert (ended.returncode, json.loads(ended.stdout)["target"]) == (code, target), ended.stderr
        assert ended.stderr.startswith(f"heldout: {target}: ")
        assert GATE not in ended.stdout + ended.stderr
    assert gate(web, "ft", "--suite", "general").returncode == 4
    for target, code in {"prompt": 0, "books": 0, "ft": 5, "nobody": 2}.items():
        assert gate(web, target, "--fail-on", "rollback").returncode == code
    house.clock.move(days=2)
    assert gate(web, "summaries", "--max-age", "1d").returncode == 4
    assert gate(web, "summaries", shell="dash").returncode == 0


def test_the_script_says_what_is_wrong(web):
    wrong = [
        ([], {}, 2, "no target"),
        (["a", "b"], {}, 2, "one target only"),
        (["a/../b"], {}, 2, "characters"),
        (["a?x=1"], {}, 2, "characters"),
        ([".."], {}, 2, "characters"),
        (["ft", "--suite"], {}, 2, "needs a value"),
        (["ft", "--all"], {}, 2, "unknown option"),
        (["ft", "--fail-on", "pass"], {}, 2, "knows only rollback"),
        (["ft"], {"HELDOUT_URL": ""}, 2, "HELDOUT_URL is not set"),
        (["ft"], {"HELDOUT_TOKEN": "wrong"}, 2, "This token is not known"),
        (["ft"], {"HELDOUT_TOKEN": ""}, 2, "This needs a token"),
        (["fft"], {}, 2, "There is no target"),
        (["ft", "--max-age", "soon"], {}, 2, "must be a duration"),
        (["ft"], {"HELDOUT_URL": "http://127.0.0.1:9"}, 1, "cannot be reached"),
        (["ft"], {"HELDOUT_URL": "file:///etc"}, 1, "cannot be reached"),
    ]
    for arguments, environ, code, said in wrong:
        ended = gate(web, *arguments, **environ)
        assert (ended.returncode, said in ended.stderr, ended.stdout) == (code, True, ""), (arguments, ended.stderr)


def test_the_workflows_step_stops_what_must_not_go_out(web):
    workflow = yaml.safe_load((DEPLOYMENT / "github-actions.yml").read_text("utf-8"))
    (step,) = workflow["jobs"]["gate"]["steps"]
    assert workflow["jobs"]["deploy"]["needs"] == "gate"
    assert set(step["env"]) == {"HELDOUT_URL", "HELDOUT_TOKEN", "TARGET"}
    # Nothing is filled into the script itself, where a name could become a command.
    assert "${{" not in step["run"]
    for target, token, code in (
        ("summaries", GATE, 0),
        ("prompt", GATE, 3),
        ("books", GATE, 4),
        ("ft", GATE, 5),
        ("nobody", GATE, 1),
        ("summaries", "wrong", 1),
    ):
        environ = at(web, token) | {"TARGET": target}
        environ["HELDOUT_URL"] = environ["HELDOUT_URL"].rstrip("/")
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ended = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60)
        assert ended.returncode == code, (target, ended)
        assert token not in ended.stdout + ended.stderr


def holds(condition, result):
    """A condition of Argo's, as far as ours goes."""
    match = re.fullmatch(r'result\.(\w+) == "(\w+)"', condition)
    assert match, condition
    return result[match[1]] == match[2]


def measured(metric, answer):
    """What Argo makes of one answer."""
    if not 200 <= answer.status < 300:
        return "error"
    # `json` refuses NaN and Infinity, which Argo cannot read either.
    if holds(metric["failureCondition"], answer.json):
        return "failed"
    return "successful" if holds(metric["successCondition"], answer.json) else "inconclusive"


def test_argos_analysis_measures_every_verdict_there_can_be(web, house):
    template, rollout = yaml.safe_load_all((DEPLOYMENT / "argo-rollouts.yaml").read_text("utf-8"))
    (metric,) = template["spec"]["metrics"]
    asked_for = metric["provider"]["web"]
    assert (asked_for["jsonPath"], asked_for["timeoutSeconds"], metric["inconclusiveLimit"]) == ("{$}", 10, 0)
    (header,) = asked_for["headers"]
    assert (header["key"], header["value"]) == ("Authorization", "{{args.authorization}}")
    known = {one["name"] for one in template["spec"]["args"]}
    assert set(re.findall(r"\{\{args\.(\w+)\}\}", json.dumps(metric))) == known
    (step,) = [one for one in rollout["spec"]["strategy"]["canary"]["steps"] if "analysis" in one]
    assert step["analysis"]["templates"] == [{"templateName": template["metadata"]["name"]}]
    with house.database.write() as connection:
        (row,) = [one for one in connection.execute(verdict.select()) if one.target == "prompt"]
        broken = row.payload | {"score": float("nan"), "usd": float("inf")}
        connection.execute(verdict.update().where(verdict.c.id == row.id), {"payload": broken})

    def ask(target, token=GATE):
        path = asked_for["url"].partition("heldout.internal")[2].replace("{{args.target}}", target)
        return measured(metric, web.ask(path, token=token))

    expected = {"summaries": "successful", "prompt": "inconclusive", "books": "inconclusive", "ft": "failed"}
    assert {target: ask(target) for target in expected} == expected
    assert (ask("summaries", "wrong"), ask("nobody")) == ("error", "error")
    house.clock.move(days=9)
    assert {ask(target) for target in expected} == {"inconclusive"}


def test_flaggers_canary_asks_what_it_may(web):
    canary = yaml.safe_load((DEPLOYMENT / "flagger.yaml").read_text("utf-8"))
    hooks = {hook["type"]: hook for hook in canary["spec"]["analysis"]["webhooks"]}
    assert set(hooks) == {"confirm-rollout", "rollback"}

    def goes(kind, target, token=GATE):
        hook = hooks[kind]
        # Flagger takes nothing but texts.
        metadata = {name: value for name, value in hook["metadata"].items() if isinstance(value, str)}
        assert metadata == hook["metadata"]
        path = hook["url"].removeprefix("https://heldout.internal").replace("${HELDOUT_GATE_TOKEN}", token)
        body = {"name": "support", "namespace": "x", "phase": "Progressing", "metadata": metadata | {"target": target}}
        return web.ask(path, "POST", body=body).status <= 202

    expected = {"summaries": (True, False), "prompt": (False, False), "books": (False, False), "ft": (False, True)}
    assert {target: (goes("confirm-rollout", target), goes("rollback", target)) for target in expected} == expected
    for target, token in (("nobody", GATE), ("ft", "wrong"), ("summaries", "wrong")):
        assert not goes("confirm-rollout", target, token)
        assert not goes("rollback", target, token)


def test_every_file_is_explained():
    text = (DEPLOYMENT / "README.md").read_text("utf-8")
    for path in DEPLOYMENT.iterdir():
        assert path.name == "README.md" or f"| `{path.name}` |" in text
    assert not re.search(f"{READ}|{ACT}|{GATE}", "".join(path.read_text("utf-8") for path in DEPLOYMENT.iterdir()))


async def test_the_receiver_rolls_back_once_and_tells_what_serves_now(daemon, house, tmp_path):
    offered(house)
    asked(house)
    web = daemon(f"{OPEN}{DEPLOY}")
    web.config = web.config.model_copy(
        update={"web": web.config.web.model_copy(update={"public_url": f"http://127.0.0.1:{web.port}"})}
    )
    done = tmp_path / "done"
    switch = [sys.executable, "-c", "import sys; print(*sys.argv[2:], file=open(sys.argv[1], 'a'))", str(done)]
    with Receiver(tmp_path / "state", switch) as (port, log):
        office = Office(web.config, (), house.clock.now, house.new_id)
        url = office.result_url("hook-1", f"{TOKEN}-hook-1")
        now = MONDAY.now(MONDAY.tzinfo)
        payload = web.ask("/api/v1/verdicts/ft?suite=support", token=READ).json

        def event(expires, hook="hook-1"):
            return encode(rollback_requested(Occasion(hook, "ft", now, now + expires, url), "prompt", payload))

        body = event(timedelta(hours=24))
        settings = WebhookSettings("deploy", f"http://127.0.0.1:{port}/rollback", SECRET)
        async with WebhookSender(settings) as sender:
            assert [(await sender.send("hook-1", body, now)).status for _ in range(3)] == [202] * 3
            until = time.monotonic() + 20
            while not verifying(house):
                assert time.monotonic() < until, log.read_text()
                await asyncio.sleep(0.05)
            for sent_at, content in ((now - timedelta(minutes=6), body), (now, event(timedelta(seconds=-1), "hook-2"))):
                with pytest.raises(Exception, match=r"401|400"):
                    await sender.send("hook-2", content, sent_at)
        forger = WebhookSettings("deploy", f"http://127.0.0.1:{port}/", "whsec_" + SECRET[6:][::-1])
        async with WebhookSender(forger) as sender:
            with pytest.raises(Exception, match="401"):
                await sender.send("hook-3", body, now)
    assert done.read_text() == "ft prompt\n"
    assert TOKEN not in log.read_text()


def verifying(house):
    with house.database.read() as connection:
        return incidents.get(connection, "incident-1").state == "verifying"


class Receiver:
    """The example as a process; gives its port and where its log is."""

    def __init__(self, state, command):
        self._line = [
            sys.executable,
            str(DEPLOYMENT / "receiver.py"),
            "--port",
            "0",
            "--state",
            str(state),
            "--",
            *command,
        ]
        self._log = state.with_name("receiver.log")

    def __enter__(self):
        with self._log.open("w") as log:
            environ = {"HOOK_SECRET": SECRET, "PATH": os.environ["PATH"]}
            self._process = subprocess.Popen(self._line, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        return int(self._process.stdout.readline().split()[1]), self._log

    def __exit__(self, *of_error):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
