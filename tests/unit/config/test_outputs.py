"""Where the database goes: beside the configuration, where systemd says, or where an absolute path says."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.config.faults import ConfigError
from monitor.config.outputs import database_url, output_folder
from monitor.config.secrets import SecretError

REST = """
[suites.support]
cases = "support.jsonl"
metrics = ["f1"]
[targets.bot]
provider = "command"
command = ["./answer"]
suites = ["support"]
"""


def test_a_relative_database_stands_beside_the_configuration(load, folder):
    assert database_url(load(REST), {}) == f"sqlite:///{folder}/heldout.db"


def test_systemd_names_the_folder_and_the_first_of_several_is_used(load, folder):
    config = load("[database]\nurl = 'sqlite:///data/h.db'\n" + REST)
    assert database_url(config, {"STATE_DIRECTORY": "/var/lib/heldout:/var/lib/other"}) == (
        "sqlite:////var/lib/heldout/data/h.db"
    )
    assert output_folder(config, {"STATE_DIRECTORY": ""}) == folder


def test_an_absolute_path_stays_where_it_is(load):
    config = load("[database]\nurl = 'sqlite:////srv/h.db'\n" + REST)
    assert database_url(config, {"STATE_DIRECTORY": "/var/lib/heldout"}) == "sqlite:////srv/h.db"


def test_signs_that_mean_something_in_an_address_survive_in_a_path(load, tmp_path):
    config = load("[database]\nurl = 'sqlite:///100%25 sure.db'\n" + REST)
    folder = tmp_path / "a ?b#c"
    folder.mkdir()
    engine = sa.create_engine(database_url(config, {"STATE_DIRECTORY": str(folder)}))
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (x)"))
    engine.dispose()
    assert [path.name for path in folder.iterdir()] == ["100% sure.db"]


def test_an_address_by_reference_is_looked_up_and_judged(load):
    config = load("[database]\nurl = { env = 'DATABASE' }\n" + REST)
    assert database_url(config, {"DATABASE": "sqlite:////srv/h.db\n"}) == "sqlite:////srv/h.db"
    with pytest.raises(SecretError, match="environment variable DATABASE is not set"):
        database_url(config, {})
    with pytest.raises(ConfigError) as caught:
        database_url(config, {"DATABASE": "postgres://me:hunter2@db/x"})
    assert "[database] url: environment variable DATABASE: postgres:// is an old spelling" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.internal/heldout",
        "postgresql+psycopg://me@db.internal:6432/heldout?sslmode=verify-full",
        "postgresql:///heldout?host=/run/postgresql",
        "postgresql://me@/heldout?host=a.internal:5432&host=b.internal:5432&target_session_attrs=read-write",
    ],
)
def test_postgresql_is_taken_as_it_stands_wherever_outputs_go(load, url):
    config = load(f"[database]\nurl = '{url}'\n" + REST)
    assert database_url(config, {"STATE_DIRECTORY": "/var/lib/heldout"}) == url


def test_a_password_comes_by_reference(load):
    config = load("[database]\nurl = { env = 'DATABASE' }\n" + REST)
    url = "postgresql://me:p%40ss@db/x"
    assert database_url(config, {"DATABASE": f"{url}\n"}) == url
