"""The OpenAPI document is complete and true: each route is in it, and real answers are as it says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import FallbackSeen, Interval, Level, Stage
from monitor.web.service import SlackAnswer
from tests.fakes.daemon import ACT, GATE, OPEN, READ
from tests.fakes.house import MONDAY
from tests.fakes.incident_scenes import TOKEN, asked, offered, opened
from tests.fakes.json_schema import faults
from tests.fakes.scenes import at_work, decided, of_judges, provider_cause, run_row, store_run

STEPS = ("ack", "silence", "resolve", "approve", "reject")
PATHS = {
    "/healthz": ["get"],
    "/readyz": ["get"],
    "/metrics": ["get"],
    "/api/v1/verdicts": ["get"],
    "/api/v1/verdicts/{target}": ["get"],
    "/api/v1/runs": ["get", "post"],
    "/api/v1/runs/{run}": ["get"],
    "/api/v1/incidents": ["get"],
    "/api/v1/incidents/{incident}": ["get"],
    **{f"/api/v1/incidents/{{incident}}/{step}": ["post"] for step in STEPS},
    "/api/v1/hooks/{hook}/result": ["post"],
    "/slack/interactions": ["post"],
    "/flagger/{token}/gate": ["post"],
    "/flagger/{token}/rollback-check": ["post"],
}


@pytest.fixture
def web(daemon, house):
    confirmed = {"stage": Stage.CONFIRMED, "drop": Interval(5.6, 4.5, 6.7, 0.95, 1.9)}
    confirmed |= {"confirmation": Interval(5.3, 4.2, 6.4), "judged": of_judges()}
    confirmed |= {"fallback": FallbackSeen("prompt", True, Interval(3.9, 2.7, 5.1, 0.99), 8)}
    decided(house, "ft", "run-1", Level.ROLLBACK, **confirmed)
    store_run(house, run_row("run-4", state=RunState.RUNNING, kind=RunKind.JUDGE))
    decided(house, "summaries", "run-2", Level.INCONCLUSIVE, drop=None, score=None, causes=provider_cause("down"))
    store_run(house, run_row("run-5", state=RunState.DONE, kind=RunKind.REFERENCE, slot=MONDAY))
    store_run(house, run_row("run-3", state=RunState.RUNNING, kind=RunKind.WEEK, slot=MONDAY - timedelta(weeks=1)))
    at_work(house, "ft · support", MONDAY)
    return daemon(OPEN, slack=lambda headers, body: SlackAnswer(200, "done"))


def documented(document, path, method, status):
    return document["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]


def test_every_route_of_the_api_is_described(web):
    document = web.ask("/openapi.json", token=READ).json
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == PATHS
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


def test_what_each_route_asks_for_is_described(web):
    paths = web.ask("/openapi.json", token=READ).json["paths"]
    optional, always = [{"token": []}, {}], [{"token": []}]
    security = {(path, method): operation["security"] for path, of in paths.items() for method, operation in of.items()}
    acts = [path for path in PATHS if path.startswith("/api/v1/incidents/{incident}/")]
    proofs = ["/api/v1/hooks/{hook}/result", "/slack/interactions", *(path for path in PATHS if "flagger" in path)]
    assert [security.pop((path, "get")) for path in ("/healthz", "/readyz")] == [[], []]
    assert [security.pop((path, "post")) for path in proofs] == [[]] * 4
    assert [security.pop((path, "post")) for path in ("/api/v1/runs", *acts)] == [always] * 6
    assert set(map(str, security.values())) == {str(optional)}


@pytest.mark.parametrize(
    ("path", "route", "method", "status", "options"),
    [
        ("/healthz", "/healthz", "get", 200, {}),
        ("/readyz", "/readyz", "get", 200, {}),
        ("/api/v1/verdicts", "/api/v1/verdicts", "get", 200, {"token": GATE}),
        ("/api/v1/verdicts/ft?suite=support", "/api/v1/verdicts/{target}", "get", 200, {"token": GATE}),
        ("/api/v1/verdicts/summaries", "/api/v1/verdicts/{target}", "get", 200, {"token": GATE}),
        ("/api/v1/verdicts/prompt", "/api/v1/verdicts/{target}", "get", 200, {"token": GATE}),
        ("/api/v1/verdicts/x", "/api/v1/verdicts/{target}", "get", 404, {"token": GATE}),
        ("/api/v1/verdicts/ft?max_age=x", "/api/v1/verdicts/{target}", "get", 422, {"token": GATE}),
        ("/api/v1/runs", "/api/v1/runs", "get", 200, {"token": READ}),
        ("/api/v1/runs?limit=1", "/api/v1/runs", "get", 200, {"token": READ}),
        ("/api/v1/runs", "/api/v1/runs", "get", 401, {}),
        ("/api/v1/runs", "/api/v1/runs", "get", 403, {"token": GATE}),
        ("/api/v1/runs", "/api/v1/runs", "get", 421, {"token": READ, "headers": {"Host": "evil.example"}}),
        ("/api/v1/runs", "/api/v1/runs", "get", 400, {"token": READ, "headers": {"Host": "a b"}}),
        ("/api/v1/runs/run-3", "/api/v1/runs/{run}", "get", 200, {"token": READ}),
        ("/api/v1/runs/run-1", "/api/v1/runs/{run}", "get", 200, {"token": READ}),
        ("/api/v1/runs/run-4", "/api/v1/runs/{run}", "get", 200, {"token": READ}),
        ("/api/v1/runs/x", "/api/v1/runs/{run}", "get", 404, {"token": READ}),
        ("/api/v1/runs", "/api/v1/runs", "post", 202, {"token": ACT, "body": {"target": "ft"}}),
        ("/api/v1/runs", "/api/v1/runs", "post", 422, {"token": ACT, "body": {"target": 3}}),
        ("/api/v1/runs", "/api/v1/runs", "post", 413, {"token": ACT, "body": b" " * 70_000}),
    ],
)
def test_real_answers_are_as_described(web, path, route, method, status, options):
    document = web.ask("/openapi.json", token=READ).json
    answer = web.ask(path, method.upper(), **options)
    assert answer.status == status
    assert list(faults(answer.json, documented(document, route, method, status), document)) == []


def test_real_answers_about_incidents_and_hooks_are_as_described(web, house):
    offered(house)
    asked(house)
    opened(house, "incident-2", "summaries")
    document = web.ask("/openapi.json", token=READ).json
    one, other = "/api/v1/incidents/incident-1", "/api/v1/incidents/incident-2"
    route = "/api/v1/incidents/{incident}"
    result, described = f"/api/v1/hooks/hook-1/result?token={TOKEN}-hook-1", "/api/v1/hooks/{hook}/result"
    canary = {"name": "a", "namespace": "b", "phase": "Progressing", "checksum": "c", "metadata": {"target": "ft"}}
    check = "/flagger/{token}/rollback-check"
    asked_for = [
        ("/api/v1/incidents?all=true", "/api/v1/incidents", "get", 200, {"token": READ}),
        (one, route, "get", 200, {"token": READ}),
        ("/api/v1/incidents/x", route, "get", 404, {"token": READ}),
        (f"{one}/ack", f"{route}/ack", "post", 200, {"token": ACT}),
        (f"{one}/silence", f"{route}/silence", "post", 200, {"token": ACT, "body": {"for": "7d"}}),
        (f"{one}/silence", f"{route}/silence", "post", 422, {"token": ACT, "body": {}}),
        (f"{one}/approve", f"{route}/approve", "post", 409, {"token": ACT}),
        (f"{other}/resolve", f"{route}/resolve", "post", 200, {"token": ACT, "body": {"why": "known"}}),
        (result, described, "post", 200, {"body": {"status": "done"}}),
        (one, route, "get", 200, {"token": READ}),
        (result, described, "post", 409, {"body": {"status": "failed"}}),
        (f"{result}x", described, "post", 403, {"body": {"status": "failed"}}),
        ("/slack/interactions", "/slack/interactions", "post", 200, {"body": b"payload="}),
        (f"/flagger/{GATE}/rollback-check", check, "post", 200, {"body": canary}),
        (f"/flagger/{GATE}/gate", "/flagger/{token}/gate", "post", 412, {"body": canary}),
    ]
    for path, template, method, status, options in asked_for:
        answer = web.ask(path, method.upper(), **options)
        assert answer.status == status, (path, answer.text)
        assert list(faults(answer.json, documented(document, template, method, status), document)) == [], path


def test_an_unready_answer_is_as_described(web):
    web.is_ill(scheduler="stands still")
    document = web.ask("/openapi.json", token=READ).json
    schema = documented(document, "/readyz", "get", 503)
    assert list(faults(web.ask("/readyz").json, schema, document)) == []


def test_the_check_finds_what_is_wrong(web):
    document = web.ask("/openapi.json", token=READ).json
    schema = documented(document, "/api/v1/verdicts/{target}", "get", 200)
    found = web.ask("/api/v1/verdicts/ft?suite=support", token=READ).json
    for wrong in ({"verdict": "fine"}, {"score": "0.5"}, {"extra": 1}, {"slot": "today"}, {"drop": {"points": 1}}):
        assert len(list(faults(found | wrong, schema, document))) == 1
    of_one, *others = found["judge"]["judges"]
    for wrong in ({"shift": {"points": 1}}, {"models": "m"}, {"kappa": "high"}, {"extra": 1}):
        seen = found["judge"] | {"judges": [of_one | wrong, *others]}
        assert len(list(faults(found | {"judge": seen}, schema, document))) == 1, wrong
    del found["stale"]
    assert list(faults(found, schema, document)) == ["$: stale is missing"]


def test_there_is_no_page_that_loads_a_script_from_elsewhere(web):
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert web.ask(path, token=READ).status == 404
