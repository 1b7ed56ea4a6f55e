"""The pages of incidents over real HTTP: what they show, who may send their forms, and that looking changes nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from alerts.incident import Event, State, What
from monitor.incidents.office import Actor
from monitor.store import hooks, incidents
from monitor.store.tables import audit, incident_event, outbox, picture
from monitor.web import sessions
from tests.fakes.daemon import ACT, GATE, OPEN, READ, TOKENS
from tests.fakes.house import MONDAY
from tests.fakes.incident_scenes import DEPLOY, NONCE, TOKEN, offer, offered, opened
from tests.fakes.scenes import HOSTILE
from tests.integration.test_web_page import Seen

PAGE = "/incidents/incident-1"
SESSION = "0" * 31 + "1"


@pytest.fixture
def web(daemon, house):
    offered(house)
    house.clock.move(hours=2)
    return daemon(OPEN + DEPLOY)


def cookie(house, name="operations"):
    return {"Cookie": f"heldout={sessions.begin(TOKENS[name], house.clock.now, SESSION)}"}


def look(web, path, name="operations"):
    answer = web.ask(path, headers=cookie(web.house, name))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer


def send(web, step, name="operations", key=None, incident="incident-1", **fields):
    headers = cookie(web.house, name) | {"Content-Type": "application/x-www-form-urlencoded"}
    fields["form_key"] = sessions.form_key(TOKENS[name], SESSION) if key is None else key
    return web.ask(f"/incidents/{incident}/{step}", "POST", headers=headers, body=urlencode(fields).encode())


def stands(house):
    with house.database.read() as connection:
        return incidents.get(connection, "incident-1")


def test_the_page_of_all_has_the_open_ones_first_and_the_overview_leads_there(web, house):
    opened(house, "incident-2", "summaries")
    with house.database.write() as connection:
        incidents.record(connection, "incident-2", Event(What.RECOVERED, MONDAY, "heldout", "clear twice"))
    text = Seen(look(web, "/incidents").text).text
    assert re.search(r"Open ft · support Roll back Open waits for approval .* Over summaries · support", text)
    assert "Resolved Mon 2026-11-16 06:00 UTC to Mon 2026-11-16 06:00 UTC clear twice" in text
    overview = Seen(look(web, "/").text)
    assert "Open incidents ft · support Roll back Open waits for approval" in overview.text
    assert {"/incidents", PAGE} <= {attributes.get("href") for tag, attributes in overview.tags if tag == "a"}


def test_one_page_says_how_it_stands_what_happened_and_what_can_be_done(web, house):
    actions, ada = web.actions(), Actor("ada", "command")
    actions.acknowledge("incident-1", ada, "looking into it")
    actions.silence("incident-1", ada, MONDAY + timedelta(days=7))
    with house.database.write() as connection:
        row = {"alert_id": "alert-incident-1", "png": b"\x89PNG", "alt": "A line that falls"}
        connection.execute(picture.insert(), row)
        incidents.shown_by(connection, "incident-1", "alert-incident-1")
    answer = look(web, PAGE)
    text = Seen(answer.text).text
    for said in (
        "Since Mon 2026-11-16 06:00 UTC, 2 hours ago.",
        "Open silenced until Mon 2026-11-23 06:00 UTC seen to by ada waits for approval",
        "A rollback waits for approval (hook deploy) until Tue 2026-11-17 06:00 UTC, in 22 hours.",
        "Score 83.3 At deployment 88.9 Drop 5.6 points (95% interval 4.5 to 6.7)",
        "Likely cause: model, fell",
        "deploy: rollback to prompt, waits for approval",
        "Opened Roll back Mon 2026-11-16 06:00 UTC, by heldout fell",
        "Acknowledged Mon 2026-11-16 08:00 UTC, by ada looking into it",
        "Silenced Mon 2026-11-16 08:00 UTC, by ada ada asked for it. Until Mon 2026-11-23 06:00 UTC.",
    ):
        assert said in text, text
    assert "data:image/png;base64,iVBORw==" in answer.text
    assert "A line that falls" in answer.text
    assert TOKEN not in answer.text
    assert "What happened" in Seen(look(web, "/incidents/incident").text).text


def test_who_may_only_look_is_told_why_and_gets_no_form(web):
    for path in (PAGE, f"{PAGE}/approve"):
        page = look(web, path, "grafana")
        assert "which may only look: it is not of the role act." in Seen(page.text).text
        assert NONCE not in page.text
        forms = [attributes["action"] for tag, attributes in Seen(page.text).tags if tag == "form"]
        assert forms == ["/logout"]
    assert web.ask(PAGE).headers["location"] == f"/login?to={PAGE}"
    assert web.ask(PAGE, token=GATE).status == 403
    for name in ("nothing", "%D8%00"):
        assert web.ask(f"/incidents/{name}", headers=cookie(web.house)).status == 404


def test_on_loopback_everybody_looks_and_nobody_acts_without_signing_in(daemon, house):
    offered(house)
    web = daemon(DEPLOY)
    page = web.ask(PAGE)
    assert "sign in with a token of the role act" in page.text
    assert NONCE not in page.text
    assert web.ask(f"{PAGE}/ack", "POST", body=b"form_key=").status == 401


def test_a_form_takes_its_step_and_leads_back(web, house):
    answer = send(web, "ack", why="on it")
    assert (answer.status, answer.headers["location"]) == (303, PAGE)
    assert stands(house).acknowledged_by == "operations"
    assert send(web, "silence").status == 303
    assert stands(house).silenced_until == house.clock.now + timedelta(days=7)
    assert send(web, "resolve", why="  ").status == 422
    assert send(web, "resolve", why="a known outage").status == 303
    assert (stands(house).state, stands(house).outcome) == (State.RESOLVED, "a known outage")
    late = send(web, "ack")
    assert (late.status, "is over since" in late.text) == (409, True)
    said = [(row.who, row.via, row.action.partition(" ")[2]) for row in house.rows(audit)]
    assert said == [("operations", "page", step) for step in ("acknowledge", "silence", "resolve")]


def test_an_approval_is_confirmed_on_a_page_that_says_what_will_happen(web, house):
    page = look(web, f"{PAGE}/approve")
    text = Seen(page.text).text
    for said in (
        "Approve the rollback of ft?",
        "Drop with support: 5.6 points (95% interval 4.5 to 6.7).",
        "heldout sends a signed request to deploy.internal ([hooks.deploy]) to roll ft back to prompt.",
        "Where that cannot be delivered, it is tried again until 2026-11-17 06:00 UTC; then people are called.",
        "From then on ft is retired: it alerts no more until a baseline of it is pinned again.",
    ):
        assert said in text, text
    assert "secret-path" not in page.text
    assert [row for row in house.rows(outbox) if row.hook_id] == []
    shown = dict(re.findall(r'name="(offer|form_key)" value="([^"]+)"', page.text.partition("/approve")[2]))
    assert send(web, "approve", key=shown["form_key"], offer=shown["offer"], why="yes").status == 303
    assert [row.channel for row in house.rows(outbox) if row.hook_id] == ["hook:deploy"]
    assert stands(house).state is State.ACTING
    assert web.ask(f"{PAGE}/approve", headers=cookie(house)).status == 409


def test_a_form_is_about_the_offer_that_it_showed(web, house):
    assert send(web, "approve").status == 422
    offer(house, hook_id="hook-2", name="trainer", action="retrain")
    assert send(web, "reject", offer=f"{NONCE}-hook-1").status == 303
    earlier = send(web, "approve", offer=f"{NONCE}-hook-1")
    assert (earlier.status, "of an earlier one" in earlier.text) == (409, True)
    with house.database.read() as connection:
        assert [hooks.get(connection, one).state for one in ("hook-1", "hook-2")] == ["rejected", "offered"]
    assert "is not in the configuration any more" in Seen(look(web, f"{PAGE}/approve?hook=hook-2").text).text


def test_the_guard_looks_again_and_its_reason_is_shown(web, house):
    web.actions().silence("incident-1", Actor("ada", "command"), MONDAY + timedelta(days=3))
    refused = send(web, "approve", offer=f"{NONCE}-hook-1")
    assert (refused.status, "is silenced until 2026-11-19 06:00 UTC" in refused.text) == (409, True)
    assert [row for row in house.rows(outbox) if row.hook_id] == []


STEPS = ("ack", "silence", "resolve", "approve", "reject")


def test_a_form_of_another_site_session_or_role_changes_nothing(web, house):
    other = sessions.form_key(TOKENS["operations"], "2" * 32)
    fields = {"why": "x", "offer": f"{NONCE}-hook-1"}
    for step in STEPS:
        assert [send(web, step, key=key, **fields).status for key in ("", "wrong", other)] == [403] * 3
        assert send(web, step, "grafana", **fields).status == 403
        body = urlencode(fields | {"form_key": sessions.form_key(TOKENS["operations"], SESSION)}).encode()
        for headers in (
            cookie(house) | {"Origin": "https://evil.example"},
            cookie(house) | {"Sec-Fetch-Site": "cross-site"},
            {"Authorization": f"Bearer {ACT}"},
            {"Authorization": f"Bearer {READ}"},
        ):
            assert web.ask(f"{PAGE}/{step}", "POST", headers=headers, body=body).status == 403
        assert web.ask(f"{PAGE}/{step}", "POST", body=body).status == 401
        # A session acts on the pages' own forms, and nowhere else.
        api = web.ask(f"/api/v1/incidents/incident-1/{step}", "POST", headers=cookie(house), body=fields)
        assert api.status == 403
    assert (len(house.rows(incident_event)), house.rows(audit)) == (2, [])


def test_looking_changes_nothing(web, house):
    for step in STEPS:
        assert web.ask(f"{PAGE}/{step}", headers=cookie(house)).status == (200 if step == "approve" else 405)
        for method in ("PUT", "DELETE", "HEAD"):
            assert web.ask(f"{PAGE}/{step}", method, headers=cookie(house)).status in (200, 403, 405)
    assert send(web, "delete").status == 403
    assert (len(house.rows(incident_event)), house.rows(audit)) == (2, [])


def test_hostile_texts_are_text_and_nothing_is_loaded_or_run(daemon, house):
    offered(house, HOSTILE)
    web = daemon(OPEN + DEPLOY)
    web.actions().resolve("incident-1", Actor("ada", "command"), HOSTILE.replace("\ud800", ""))
    for path in ("/incidents", PAGE):
        seen = Seen(look(web, path).text)
        shown = "<script>alert(1)</script> \ufffdevil\ufffd \ufffd[31m </style> {{7*7}} & \"quoted\" 'single'"
        assert shown in seen.text
        assert not [tag for tag, _ in seen.tags if tag in ("script", "iframe", "object", "embed", "base")]
        assert not [
            name for _, attributes in seen.tags for name in attributes if name.startswith("on") or name == "style"
        ]
