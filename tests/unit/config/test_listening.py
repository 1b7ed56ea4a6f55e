"""Where the daemon listens and by which names it may be called, and what the whole configuration says of it."""

from __future__ import annotations

import pytest

from monitor.config.listening import checked_host, checked_listen, is_loopback, split_listen

BASE = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[targets.bot]
provider = "rag"
documents = "docs"
suites = ["support"]
"""
TOKEN = '[web.tokens.grafana]\nsecret = { env = "GRAFANA" }\nrole = "read"\n'


@pytest.mark.parametrize(
    ("listen", "split"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("localhost:0", ("localhost", 0)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("[::1]:8787", ("::1", 8787)),
        ("[2001:db8::5]:1", ("2001:db8::5", 1)),
    ],
)
def test_an_address_and_a_port(listen, split):
    assert split_listen(listen) == split
    assert checked_listen(listen) == listen


@pytest.mark.parametrize(
    ("listen", "fault"),
    [
        ("8787", "must be an address and a port"),
        (":8787", "must be an address and a port"),
        ("127.0.0.1", "must be an address and a port"),
        ("::1:8787", "must be an address and a port"),
        ("127.0.0.1:", "must be an address and a port"),
        ("127.0.0.1:http", "must be an address and a port"),
        ("127.0.0.1:8787 ", "must be an address and a port"),
        ("http://127.0.0.1:8787", "must be an address and a port"),
        ("127.0.0.1:65536", "above 65535"),
        ("127.0.0.1:٨٧٨٧", "must be an address and a port"),
        ("heldout.internal:8787", "must name an IP address"),
        ("127.0.0.256:1", "must name an IP address"),
        ("[127.0.0.1:1", "must be an address and a port"),
        ("[1::2::3]:1", "must name an IP address"),
    ],
)
def test_what_cannot_be_listened_on(listen, fault):
    with pytest.raises(ValueError, match=fault):
        split_listen(listen)


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.9.10:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.5:1", False),
        ("[2001:db8::5]:1", False),
    ],
)
def test_who_can_reach_it(listen, loopback):
    assert is_loopback(listen) is loopback


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("heldout.internal", "heldout.internal"),
        ("Heldout.Internal.", "heldout.internal."),
        ("10.0.0.5", "10.0.0.5"),
        ("[2001:DB8:0::5]", "2001:db8::5"),
        ("2001:db8::5", "2001:db8::5"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_hosts_name(name, kept):
    assert checked_host(name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "*.internal",
        "*",
        "heldout.internal:8787",
        "https://h",
        "h/x",
        "a b",
        "-a.b",
        "bücher.example",
        "a" * 64,
    ],
)
def test_what_is_no_hosts_name(name):
    with pytest.raises(ValueError, match=r"must be a (whole name|host's name)"):
        checked_host(name)


def test_by_default_it_listens_on_loopback_without_a_token(load):
    web = load(BASE).web
    assert (web.listen, web.public_url, web.hosts, web.tokens) == ("127.0.0.1:8787", None, (), {})


def test_everything_that_can_be_set(load):
    web = load(
        BASE
        + '[web]\nlisten = "0.0.0.0:80"\npublic_url = "https://heldout.internal"\nhosts = ["Heldout.internal"]\n'
        + TOKEN
    ).web
    assert web.hosts == ("heldout.internal",)
    assert (web.tokens["grafana"].role, web.tokens["grafana"].secret.env) == ("read", "GRAFANA")


def test_beyond_loopback_it_takes_a_token(load, faults_of):
    (fault,) = faults_of(BASE + '[web]\nlisten = "0.0.0.0:8787"\n')
    assert fault.startswith("config.toml: [web] listen: lets other machines in")
    assert load(BASE + '[web]\nlisten = "0.0.0.0:8787"\n' + TOKEN).web.listen == "0.0.0.0:8787"


def test_every_fault_is_told_at_once(faults_of):
    faults = faults_of(
        BASE
        + '[web]\nlisten = "8787"\nhosts = ["*.internal", "a:1"]\npublic_url = "heldout"\nport = 1\n'
        + '[web.tokens."a b"]\nsecret = "hunter2"\nrole = "admin"\n'
    )
    places = [fault.removeprefix("config.toml: ").split(": ")[0] for fault in faults]
    assert places == [
        "[web] listen",
        "[web] hosts item 1",
        "[web] hosts item 2",
        "[web] public_url",
        "[web] port",
        '[web] tokens."a b"',
        '[web] tokens."a b".secret',
        '[web] tokens."a b".role',
    ]
    assert "hunter2" not in "".join(faults)


@pytest.mark.parametrize("tokens", ["tokens = 3", "tokens = []", 'tokens = { a = "x" }'])
def test_tokens_that_are_no_tables_are_a_fault_and_no_traceback(faults_of, tokens):
    assert faults_of(BASE + f"[web]\n{tokens}\n")
