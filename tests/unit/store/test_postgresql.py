"""PostgreSQL: many writers at once stay right, a server that goes and comes back, and its errors in plain words."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from alerts.channel import Receipt
from alerts.outbox import PutOff, Returned, Sent
from monitor.domain.case import Case, Suite
from monitor.domain.run import RunState
from monitor.domain.score import Score
from monitor.store import answers, outbox, runs, usage
from monitor.store.database import Database, DatabaseError, alone, connect, open_database
from monitor.store.outbox import StoredOutbox
from monitor.store.settling import Settling
from monitor.store.tables import baseline, score, suite_version
from monitor.store.tables import run as run_table
from monitor.store.tables import usage as usage_table
from tests.fakes import databases
from tests.fakes.postgresql import Server
from tests.unit.store.rows import NOW, answer, run, tell

pytestmark = pytest.mark.postgresql_only("it is about PostgreSQL")
LEASE = timedelta(seconds=90)


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """What `work` gives in as many threads, all let go at the same moment."""
    ready = threading.Barrier(count)

    def one(number: int) -> object:
        ready.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def waits(database: Database) -> bool:
    """Whether somebody waits for a lock in this database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.read() as connection:
        return bool(connection.exec_driver_sql(query).scalar())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# Transactions.


def test_a_view_is_consistent_and_cannot_write(begun):
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", answer("a").phase) == {}
        with begun.write() as other:
            answers.add(other, [answer("a")], [{}])
        assert answers.stored(connection, "run-1", answer("a").phase) == {}
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", answer("a").phase) == {"a": {0}}
    with pytest.raises(DatabaseError, match="read-only transaction"), begun.read() as connection:
        answers.add(connection, [answer("b")], [{}])
    # The connection is as good as new for whoever gets it next.
    with begun.write() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        answers.add(connection, [answer("b")], [{}])


def test_waits_end_and_a_dead_connection_is_noticed(database):
    with database.write() as connection:

        def of(name: str) -> object:
            return connection.exec_driver_sql(f"SHOW {name}").scalar()

        assert (of("lock_timeout"), of("statement_timeout"), of("TimeZone")) == ("30s", "5min", "UTC")
        assert (of("idle_in_transaction_session_timeout"), of("application_name")) == ("20s", "heldout")
        info = connection.connection.dbapi_connection.info.get_parameters()
    assert {name: info[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        "connect_timeout": "10",
        "keepalives_idle": "10",
        "tcp_user_timeout": "30000",
    }


def test_an_address_may_say_otherwise(tmp_path):
    address = databases.filled(tmp_path) + "?application_name=mine&options=-c%20lock_timeout%3D1s"
    database = open_database(address)
    with database.read() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("application_name", "lock_timeout")]
    database.close()
    assert shown == ["mine", "1s"]


def test_those_who_want_to_be_alone_with_something_stand_in_line(database):
    inside: list[int] = []

    def work(number: int) -> None:
        with database.write() as connection:
            alone(connection, "something")
            inside.append(number)
            assert len(inside) == 1
            time.sleep(0.02)
            inside.remove(number)

    together(5, work)
    assert inside == []


# Writers at the same moment.


def test_a_suite_that_several_remember_is_kept_once(database):
    suite = Suite("support", (Case("a", "Is it?", expected="yes"),))

    def remember(number: int) -> None:
        with database.write() as connection:
            runs.remember_suite(connection, suite, NOW)

    together(6, remember)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(suite_version)).scalar() == 1


def test_a_suite_that_another_is_about_to_remember_is_waited_for(database):
    suite = Suite("support", (Case("a", "Is it?", expected="yes"),))

    def remember() -> None:
        with database.write() as connection:
            runs.remember_suite(connection, suite, NOW)

    with database.write() as connection:
        runs.remember_suite(connection, suite, NOW)
        second = threading.Thread(target=remember)
        second.start()
        until(lambda: waits(database))
    second.join(30)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(suite_version)).scalar() == 1


def test_a_slot_is_begun_once_however_many_ask(database):
    def begin(number: int) -> bool:
        with database.write() as connection:
            return runs.begin(connection, run(number, slot=NOW))

    assert sorted(together(6, begin)) == [False] * 5 + [True]


def test_a_request_that_several_make_is_one_run(database):
    def request(number: int) -> str:
        with database.write() as connection:
            return runs.request(connection, f"run-{number}", "ft", "support", "operations", NOW).id

    assert len(set(together(6, request))) == 1
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(run_table)).scalar() == 1


def test_who_pins_gets_what_it_pinned(database):
    with database.write() as connection:
        for number in range(6):
            runs.begin(connection, run(number, state=RunState.DONE))

    def pin(number: int) -> tuple[str, str]:
        with database.write() as connection:
            found = runs.pin(connection, run(number), NOW, f"person {number}")
        return found.run_id, found.pinned_by

    assert together(6, pin) == [(f"run-{number}", f"person {number}") for number in range(6)]
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(baseline)).scalar() == 6


def test_a_run_that_several_sum_up_is_summed_up_once(begun):
    with begun.write() as connection:
        answers.add(connection, [answer(str(i), attempts=2) for i in range(5)], [{}] * 5)

    def sum_up(number: int) -> None:
        with begun.write() as connection:
            usage.sum_up(connection, "run-1")

    together(6, sum_up)
    with begun.read() as connection:
        rows = connection.execute(sa.select(usage_table.c.outcome, usage_table.c.calls)).all()
    assert sorted(rows) == [("answered", 5), ("retried", 5)]


def test_scores_that_another_was_faster_with_stay(begun):
    with begun.write() as connection:
        answers.add(connection, [answer(str(i)) for i in range(50)], [{}] * 50)
        ids = [row[0] for row in answers.texts(connection, "run-1", answer("a").phase, "f1", after=0, limit=50)]

    def regrade(number: int) -> None:
        with begun.write() as connection:
            answers.add_scores(connection, [(i, {"f1": Score(number / 10)}) for i in ids])

    together(4, regrade)
    with begun.read() as connection:
        values = {row.value for row in connection.execute(sa.select(score))}
        assert connection.execute(sa.select(sa.func.count()).select_from(score)).scalar() == 50
    assert len(values) == 1


# The outbox.


@pytest.fixture
def told(begun) -> Callable[..., None]:
    def of(*names: str, target: str = "ft") -> None:
        with begun.write() as connection:
            for name in names:
                tell(connection, name, ["slack"], target=target)

    return of


def leased(database: Database, limit: int = 1, after: float = 0.0) -> list[str]:
    rows = StoredOutbox(database).lease(NOW + timedelta(seconds=after), "slack", limit, LEASE)
    return [row.subject for row in rows]


def test_no_message_is_leased_twice_however_many_deliver(begun, told):
    for number in range(12):
        told(f"alert-{number}", target=f"target-{number}")

    def drain(number: int) -> list[str]:
        mine: list[str] = []
        while found := leased(begun):
            mine += found
        return mine

    found = [name for mine in together(4, drain) for name in mine]
    assert sorted(found) == sorted(f"alert-{number}" for number in range(12))


def test_the_next_of_a_target_is_not_leased_while_another_process_leases_the_first(begun, told):
    told("a1", "a2")
    locked = sa.select(outbox.outbox.c.id).where(outbox.outbox.c.alert_id == "a1").with_for_update()
    found: list[str] = []
    second = threading.Thread(target=lambda: found.extend(leased(begun, limit=10)))
    with begun.write() as connection:
        alone(connection, "outbox-lease")
        connection.execute(locked).all()
        second.start()
        until(lambda: waits(begun))
        lease = {"leased_until": NOW + LEASE}
        connection.execute(outbox.outbox.update().where(outbox.outbox.c.alert_id == "a1"), lease)
    second.join(30)
    assert found == []
    assert leased(begun, limit=10, after=90.0) == ["a1", "a2"]


def test_what_is_settled_while_it_is_looked_for_is_not_sent_again(begun, told):
    """By a process that was silent for longer than its lease, and is done after all."""
    told("a1", "a2")
    box = StoredOutbox(begun)
    (late,) = box.lease(NOW, "slack", 1, LEASE)
    found: list[str] = []
    second = threading.Thread(target=lambda: found.extend(leased(begun, limit=10, after=90.0)))
    with begun.write() as connection:
        Settling(connection, NOW, None).settle([Sent(late, Receipt("ts-1"))])
        second.start()
        until(lambda: waits(begun))
    second.join(30)
    assert found == ["a2"]


def test_who_commits_later_has_the_higher_number(begun):
    """Otherwise a recovery could be read, and sent, while the fall before it is not committed yet."""
    order: list[str] = []

    def second() -> None:
        with begun.write() as connection:
            tell(connection, "second", ["slack"])
            order.append("second")

    with begun.write() as connection:
        tell(connection, "first", ["slack"])
        other = threading.Thread(target=second)
        other.start()
        until(lambda: waits(begun))
        assert leased(begun, limit=10) == []
        order.append("first")
    other.join(30)
    assert order == ["first", "second"]
    with begun.read() as connection:
        rows = connection.execute(sa.select(outbox.outbox.c.alert_id).order_by(outbox.outbox.c.id)).scalars().all()
    assert rows == ["first", "second"]


def test_deliveries_that_end_at_the_same_moment_do_not_wait_for_one_another_for_ever(begun, told):
    for number in range(8):
        told(f"alert-{number}", target=f"target-{number}")
    box = StoredOutbox(begun)
    rows = box.lease(NOW, "slack", 8, LEASE)
    box.settle(NOW, [PutOff(row, NOW + timedelta(hours=1), "down", None, attempted=False) for row in rows])

    def end(number: int) -> None:
        box.settle(NOW, [Sent(rows[number], Receipt()), Returned(rows[number - 1])])
        box.wake(NOW)

    together(8, end)
    with begun.read() as connection:
        assert outbox.undelivered(connection) == []


# What goes wrong.


def test_who_waits_too_long_for_a_lock_is_told_that_waiting_helps(begun, tmp_path):
    # The product waits for half a minute; here the wait itself is not what is tested.
    other = connect(databases.filled(tmp_path) + "?options=-c%20lock_timeout%3D50ms")
    change = run_table.update().values(requested_by="another")
    with begun.write() as connection:
        connection.execute(change)
        with pytest.raises(DatabaseError, match="another program holds what is needed") as raised:
            _write(other, change)
    other.close()
    assert not raised.value.permanent


def test_a_deadlock_passes_by_itself(begun):
    with begun.write() as connection:
        runs.begin(connection, run(2))
    entered = threading.Barrier(2)

    def cross(number: int) -> bool | None:
        try:
            with begun.write() as connection:
                for step in (0, 1):
                    which = run_table.c.id == f"run-{1 + (number + step) % 2}"
                    connection.execute(run_table.update().where(which).values(requested_by=str(number)))
                    if step == 0:
                        entered.wait(30)
        except DatabaseError as error:
            return error.permanent
        return None

    assert sorted(together(2, cross), key=str) == [False, None]


def _write(database: Database, statement: sa.Update) -> None:
    with database.write() as connection:
        connection.execute(statement)


def test_no_error_quotes_a_row_or_a_value(begun):
    private = "the patient's own words"
    statements = [
        # Each is refused with the whole row, or with the value, in what the server says.
        "INSERT INTO failure (id, run_id, phase, case_id, repeat, kind, message, attempts, failed_at) "
        f"VALUES (1, 'run-1', 'main', NULL, 0, 'k', '{private}', 1, now())",
        f"UPDATE run SET created_at = '{private}'",
        f"UPDATE run SET progress = '{{{private}'",
        f"UPDATE run SET kind = '{private * 10}'",
    ]
    for statement in statements:
        with pytest.raises(DatabaseError) as raised, begun.write() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        assert raised.value.permanent
        assert "patient" not in "".join(traceback.format_exception(raised.value)), statement


def test_a_text_that_is_too_long_for_its_column_is_refused_and_never_cut(begun):
    private = "the patient's own words" * 10
    with pytest.raises(DatabaseError, match="does not fit its column") as raised, begun.write() as connection:
        answers.add(connection, [answer("a")], [{private: Score(1.0)}])
    assert "patient" not in "".join(traceback.format_exception(raised.value))


def test_rows_written_together_get_numbers_that_nobody_else_gets(begun):
    def add(number: int) -> None:
        for turn in range(5):
            with begun.write() as connection:
                batch = [answer(f"{number}/{turn}/{i}") for i in range(20)]
                answers.add(connection, batch, [{"case": Score(number / 10)} for _ in batch])

    together(4, add)
    with begun.read() as connection:
        scored = list(answers.scored(connection, "run-1", answer("a").phase, ["case"]))
    assert len(scored) == 400
    # Each score stands with the answer that it was computed from.
    assert all(one.scores["case"].value == int(one.case_id[0]) / 10 for one in scored)


def test_text_that_no_database_holds_is_stored_without_it(begun, told):
    told("a1")
    box = StoredOutbox(begun)
    (row,) = box.lease(NOW, "slack", 1, LEASE)
    box.settle(NOW, [PutOff(row, NOW, "no\x00 \ud800", None, attempted=True)])
    box.settle(NOW, [Sent(row, Receipt("ts\x00\udfff"))])
    with begun.write() as connection:
        found = connection.execute(sa.select(outbox.outbox.c.receipt)).scalar()
        runs.save(connection, run(progress={"odd": "\x00 \ud800"}))
        runs.pin(connection, run(), NOW, "ada\x00\udcff")
    assert found == "ts\ufffd\ufffd"
    with begun.read() as connection:
        assert runs.get(connection, "run-1").progress == {"odd": "\x00 \ud800"}
        assert runs.current_baseline(connection, "ft", "support").pinned_by == "ada\ufffd\ufffd"


# A server that is away.


@pytest.fixture
def server() -> Iterator[Server]:
    # What was committed outlives a crash of this one.
    own = Server(synchronous_commit="on")
    own.start()
    yield own
    own.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_was_restarted_is_used_again_at_once(server, how):
    database = open_database(server.url("postgres"))
    with database.write() as connection:
        runs.begin(connection, run())
    with pytest.raises(DatabaseError) as during:
        _begin(database, lambda: server.stop(how))
    assert not during.value.permanent
    with pytest.raises(DatabaseError, match="the database server is away or busy; see that it runs") as away:
        _begin(database, lambda: None)
    assert not away.value.permanent
    server.start()
    with database.write() as connection:
        assert runs.begin(connection, run(2))
        assert runs.get(connection, "run-1") == run()
    database.close()


def test_a_session_that_froze_inside_a_transaction_gives_its_locks_back(server):
    database = open_database(server.url("postgres") + "?options=-c%20idle_in_transaction_session_timeout%3D100ms")
    with pytest.raises(DatabaseError) as raised:
        _begin(database, lambda: time.sleep(0.5))
    assert not raised.value.permanent
    database.close()


def _begin(database: Database, meanwhile: Callable[[], None]) -> None:
    with database.write() as connection:
        runs.begin(connection, run(2))
        meanwhile()
        runs.begin(connection, run(3))


REFUSED = {
    "nobody": "postgresql://nobody:hunter2@127.0.0.1:{port}/postgres",
    "nothing": "postgresql://heldout:hunter2@127.0.0.1:{port}/nothing?sslpassword=hunter2",
    "option": "postgresql://heldout:hunter2@127.0.0.1:{port}/postgres?colour=hunter2",
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_a_refused_connection_says_where_and_no_password(server, address):
    with pytest.raises(DatabaseError, match=r"see that \[database\] url names the right server") as raised:
        open_database(address.format(port=server.port))
    assert raised.value.permanent
    told = "".join(traceback.format_exception(raised.value))
    assert "hunter2" not in told
    assert f":{server.port}/" in str(raised.value)


def test_a_user_without_rights_is_told_which(server):
    server.do("CREATE ROLE guest LOGIN")
    with pytest.raises(DatabaseError, match=r"permission denied .*; give this user the rights") as raised:
        open_database(f"postgresql://guest@127.0.0.1:{server.port}/postgres")
    assert raised.value.permanent


def test_too_many_connections_pass_by_themselves():
    server = Server(max_connections="5", superuser_reserved_connections="0")
    server.start()
    try:
        held = [psycopg.connect(server.url("postgres")) for _ in range(5)]
        with pytest.raises(DatabaseError) as raised:
            open_database(server.url("postgres"))
        assert not raised.value.permanent
        for one in held:
            one.close()
    finally:
        server.close()


def test_an_open_database_of_another_version_keeps_no_connection(database, tmp_path):
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(DatabaseError, match="newer"):
        open_database(databases.filled(tmp_path))
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(databases.filled(tmp_path)) as connection:
        until(lambda: connection.execute(mine).fetchone() == (1,))
