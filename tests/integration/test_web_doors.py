"""Who gets in over real HTTP: by which name, with which token or session, and from where."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from monitor.config.load import load_config
from tests.fakes.daemon import ACT, GATE, HOUSEHOLD, OPEN, READ

CLOSED = ["/", "/metrics", "/api/v1/runs", "/api/v1/runs/run-1", "/openapi.json", "/nothing", "/static/x.css"]
VERDICTS = ["/api/v1/verdicts", "/api/v1/verdicts/ft"]


def can_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("path", ["/", "/readyz", "/metrics", "/api/v1/verdicts", "/login", "/nothing"])
def test_a_name_of_another_site_reaches_nothing(daemon, path):
    answer = daemon().ask(path, headers={"Host": "evil.example:8787"}, token=ACT)
    assert answer.status == 421
    assert "hosts under [web]" in answer.text
    assert "evil.example" in answer.text


def test_whether_it_lives_is_told_under_any_name(daemon):
    assert daemon().ask("/healthz", headers={"Host": "10.1.2.3:8787"}).status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1:1", "127.1.2.3", "[::1]:8787", "H.internal", "p.example:8443"]
)
def test_its_own_names_are_welcome(daemon, host):
    web = daemon('hosts = ["h.internal"]\npublic_url = "https://p.example:8443"\n' + OPEN.partition("\n")[2])
    assert web.ask("/api/v1/verdicts", headers={"Host": host}, token=READ).status == 200


@pytest.mark.parametrize("host", ["", "a b", "localhost/", "[::1", "user@localhost"])
def test_a_malformed_name_is_a_bad_request(daemon, host):
    assert daemon().ask("/api/v1/verdicts", headers={"Host": host}).status == 400


def test_no_name_and_two_names_are_bad_requests(daemon):
    web = daemon()
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection((web.host, web.port), timeout=10) as connection:
            connection.sendall(head)
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_a_reload_brings_new_names(daemon, house):
    web = daemon()
    assert web.ask("/", headers={"Host": "new.internal"}).status == 421
    path = house.folder / "web.toml"
    path.write_text(f'{HOUSEHOLD}\n[web]\nhosts = ["new.internal"]\n', encoding="utf-8")
    web.config = load_config(path, {})
    assert web.ask("/login", headers={"Host": "new.internal"}).status == 200


@pytest.mark.skipif(not can_ipv6(), reason="this machine has no IPv6")
def test_it_listens_on_ipv6(daemon):
    web = daemon('listen = "[::1]:8787"', listen="[::1]:0")
    assert web.host == "::1"
    assert web.ask("/api/v1/verdicts").status == 200
    assert web.ask("/api/v1/verdicts", headers={"Host": "[2001:db8::1]"}).status == 421


@pytest.mark.parametrize("path", [*CLOSED, *VERDICTS])
def test_beyond_loopback_everything_takes_a_token(daemon, path):
    web = daemon(OPEN)
    nobody = web.ask(path)
    if path in ("/", "/nothing", "/static/x.css"):
        assert (nobody.status, nobody.headers["location"]) == (303, "/login")
    else:
        assert (nobody.status, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="heldout"')
    assert web.ask(path, token="wrong").status == 401
    assert web.ask(path, headers={"Authorization": f"Basic {READ}"}).status == 401
    assert web.ask(path, token=GATE).status == (200 if path in VERDICTS else 403)
    assert web.ask(path, token=READ).status in (200, 404)


def test_beyond_loopback_probes_are_open_and_tell_strangers_little(daemon):
    web = daemon(OPEN)
    web.is_ill(scheduler="/var/lib/secret-path is full")
    assert web.ask("/healthz").status == 200
    told = [web.ask("/readyz", token=token) for token in (None, GATE, "wrong", READ)]
    assert [answer.status for answer in told] == [503] * 4
    assert ["secret-path" in answer.text for answer in told] == [False, False, False, True]
    assert [answer.json["configuration"] for answer in told] == [None] * 4


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "heldout.internal"},
        {"X-Forwarded-For": "192.0.2.7"},
        {"Forwarded": "for=192.0.2.7"},
        {"Via": "1.1 proxy"},
    ],
)
def test_who_comes_through_a_proxy_is_not_on_this_machine(daemon, headers):
    web = daemon('hosts = ["heldout.internal"]\n')
    assert web.ask("/api/v1/verdicts").status == 200
    assert web.ask("/api/v1/verdicts", headers=headers).status == 401
    assert web.ask("/api/v1/verdicts", headers=headers, token=READ).status == 200


def test_on_loopback_reading_is_open_but_a_wrong_token_is_wrong(daemon):
    web = daemon()
    for path in ("/", "/metrics", "/api/v1/verdicts", "/api/v1/runs"):
        assert web.ask(path).status == 200
        assert web.ask(path, token="wrong").status == 401
    assert web.ask("/metrics", token=GATE).status == 403


def test_a_token_that_is_taken_away_is_wrong_at_once(daemon):
    web = daemon(OPEN)
    assert web.ask("/api/v1/runs", token=READ).status == 200
    web.tokens["grafana"] = replace(web.tokens["grafana"], secret="new")
    assert web.ask("/api/v1/runs", token=READ).status == 401
    assert web.ask("/api/v1/runs", token="new").status == 200


def cookie_of(answer, name):
    return next(line.split(";")[0] for line in answer.headers["set-cookie"].splitlines() if line.startswith(name))


def field_of(page):
    return page.text.partition('name="form_key" value="')[2].partition('"')[0]


def sign_in(web, secret, **headers):
    form = web.ask("/login")
    headers = {"Cookie": cookie_of(form, "heldout-form"), "Content-Type": "application/x-www-form-urlencoded"} | headers
    return web.ask("/login", "POST", headers=headers, body=f"form_key={field_of(form)}&token={secret}".encode())


def test_a_session_reads_pages_and_the_api_and_changes_nothing(daemon, house):
    web = daemon(OPEN)
    answer = sign_in(web, ACT)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    (line,) = answer.headers["set-cookie"].splitlines()
    assert {part.strip().lower() for part in line.split(";")[1:]} == {
        "httponly",
        "samesite=strict",
        "path=/",
        "max-age=43200",
    }
    session = {"Cookie": cookie_of(answer, "heldout=")}
    page = web.ask("/", headers=session)
    assert (page.status, "operations" in page.text, ACT in page.text) == (200, True, False)
    assert web.ask("/api/v1/runs", headers=session).status == 200
    refused = web.ask("/api/v1/runs", "POST", headers=session, body={"target": "ft"})
    assert (refused.status, house.runs) == (403, [])
    house.clock.move(hours=12)
    assert web.ask("/", headers=session).status == 303


def test_signing_in_leads_to_the_page_that_was_wanted_and_nowhere_else(daemon):
    web = daemon(OPEN)
    wanted = web.ask("/incidents/id-1/approve?hook=x")
    assert (wanted.status, wanted.headers["location"]) == (303, "/login?to=/incidents/id-1/approve")
    assert 'name="to" value="/incidents/id-1/approve"' in web.ask(wanted.headers["location"]).text
    assert sign_in(web, f"{READ}&to=/incidents/id-1/approve").headers["location"] == "/incidents/id-1/approve"
    for elsewhere in (
        "//evil.example",
        "https://evil.example",
        "/incidents/../x",
        "/incidents%0d%0ax:y",
        "/",
        "/logout",
    ):
        assert 'name="to"' not in web.ask(f"/login?to={elsewhere}").text
        assert sign_in(web, f"{READ}&to={elsewhere}").headers["location"] == "/"


def test_a_session_dies_with_its_token(daemon):
    web = daemon(OPEN)
    session = {"Cookie": cookie_of(sign_in(web, READ), "heldout=")}
    assert web.ask("/", headers=session).status == 200
    kept = web.tokens.pop("grafana")
    assert web.ask("/", headers=session).status == 303
    web.tokens["grafana"] = replace(kept, secret="new")
    assert web.ask("/", headers=session).status == 303


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(daemon):
    web = daemon(OPEN)
    session = {"Cookie": cookie_of(sign_in(web, READ), "heldout=")}
    key = field_of(web.ask("/", headers=session))
    assert web.ask("/logout", "POST", headers=session, body=b"form_key=wrong").status == 403
    elsewhere = session | {"Origin": "https://evil.example"}
    assert web.ask("/logout", "POST", headers=elsewhere, body=f"form_key={key}".encode()).status == 403
    assert web.ask("/", headers=session).status == 200
    out = web.ask("/logout", "POST", headers=session, body=f"form_key={key}".encode())
    assert (out.status, out.headers["location"]) == (303, "/login")
    assert web.ask("/", headers=session).status == 303
    assert web.ask("/logout", "POST", headers=session, body=b"").status == 303


def test_under_https_the_cookie_goes_by_https_alone(daemon):
    web = daemon(OPEN.replace("[web.tokens", 'public_url = "https://heldout.internal"\n[web.tokens'))
    (line,) = sign_in(web, READ, Origin="https://heldout.internal").headers["set-cookie"].splitlines()
    assert line.startswith("__Host-heldout=")
    assert "; Secure" in line
    assert web.ask("/", headers={"Cookie": line.split(";")[0]}).status == 200
    assert web.ask("/", headers={"Cookie": line.split(";")[0].replace("__Host-", "")}).status == 303


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_login_that_another_site_sends_is_not_taken(daemon, headers):
    answer = sign_in(daemon(OPEN), READ, **headers)
    assert (answer.status, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("cookie", ["", "heldout-form=1", "heldout-form=" + "0" * 32])
def test_a_login_without_its_form_is_filled_in_again(daemon, cookie):
    answer = daemon(OPEN).ask("/login", "POST", headers={"Cookie": cookie}, body=f"form_key=1&token={READ}".encode())
    assert (answer.status, "filled in again" in answer.text) == (403, True)
    assert "heldout=" not in answer.headers["set-cookie"]


def test_wrong_tokens_are_refused_counted_and_logged_without_them(daemon, caplog):
    web = daemon(OPEN)
    assert "role gate" in sign_in(web, GATE).text
    answers = [sign_in(web, f"guess-{number}") for number in range(12)]
    assert [answer.status for answer in answers] == [403] * 9 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert sign_in(web, READ).status == 429
    assert caplog.text.count("was refused") == 10
    assert "guess" not in caplog.text


def test_without_any_token_the_form_says_how_to_get_one(daemon):
    web = daemon(tokens={})
    page = web.ask("/login")
    assert "[web.tokens.NAME]" in page.text
    assert 'name="token"' not in page.text


def test_a_form_with_too_many_fields_is_none_of_ours(daemon):
    assert daemon().ask("/login", "POST", body=b"&".join(b"a=1" for _ in range(100))).status == 400


def test_a_session_of_an_earlier_process_still_counts(daemon, house):
    first = daemon(OPEN)
    session = {"Cookie": cookie_of(sign_in(first, READ), "heldout=")}
    second = daemon(OPEN)
    house.clock.move(hours=1)
    assert second.ask("/", headers=session).status == 200
