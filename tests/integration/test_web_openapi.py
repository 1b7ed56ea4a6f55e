"""The OpenAPI document is complete and true: each route is in it, and real answers are as it says."""

from __future__ import annotations

import pytest

from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import FallbackSeen, Interval, Level, Stage
from tests.fakes.daemon import ACT, GATE, OPEN, READ
from tests.fakes.house import MONDAY
from tests.fakes.json_schema import faults
from tests.fakes.scenes import at_work, decided, of_judges, provider_cause, run_row, store_run

PATHS = {
    "/healthz": ["get"],
    "/readyz": ["get"],
    "/metrics": ["get"],
    "/api/v1/verdicts": ["get"],
    "/api/v1/verdicts/{target}": ["get"],
    "/api/v1/runs": ["get", "post"],
    "/api/v1/runs/{run}": ["get"],
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
    store_run(house, run_row("run-3", state=RunState.RUNNING, kind=RunKind.WEEK, slot=MONDAY))
    at_work(house, "ft · support", MONDAY)
    return daemon(OPEN)


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
    assert security.pop(("/healthz", "get")) == security.pop(("/readyz", "get")) == []
    assert security.pop(("/api/v1/runs", "post")) == always
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
