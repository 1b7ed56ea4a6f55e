"""What was paid for is stored once, however a database goes away meanwhile, and for as long as there is patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain.score import Score
from monitor.replay.keeping import Batch, keep
from monitor.store import runs
from monitor.store.database import Database, DatabaseError, open_database
from monitor.store.tables import answer as answer_table
from monitor.store.tables import failure as failure_table
from monitor.store.tables import score as score_table
from tests.fakes import databases
from tests.unit.store.rows import NOW, answer, failure, run

BATCH = Batch([(answer(name), {"exact": Score(1.0)}) for name in "abc"], [failure("d"), failure("e")])


class Unsteady(Database):
    """A database whose first writes fail: before anything is written, or once it is committed, unheard."""

    def __init__(self, database: Database, *, before: int = 0, after: int = 0, permanent: bool = False) -> None:
        super().__init__(database.engine)
        self.before, self.after, self.permanent = before, after, permanent
        self.tries = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.tries += 1
        if self.tries <= self.before:
            raise DatabaseError("away", permanent=self.permanent)
        with super().write() as connection:
            yield connection
        if self.tries <= self.before + self.after:
            raise DatabaseError("away", permanent=self.permanent)


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    with closing(open_database(databases.filled(tmp_path))) as opened:
        with opened.write() as connection:
            assert runs.begin(connection, run())
        yield opened


def counts(database: Database) -> list[int]:
    with database.read() as connection:
        return [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (answer_table, score_table, failure_table)
        ]


@pytest.mark.parametrize("fault", [{"before": 3}, {"after": 1}, {"before": 1, "after": 2}], ids=str)
def test_a_batch_is_stored_once_whatever_became_of_the_lost_try(database, fault):
    unsteady = Unsteady(database, **fault)
    keep(unsteady, BATCH)
    assert unsteady.tries == sum(fault.values()) + 1
    assert counts(database) == [3, 3, 2]


def test_calls_that_fail_again_later_are_calls_of_their_own(database):
    keep(database, Batch([], [failure("d")]))
    keep(Unsteady(database, after=1), Batch([], [failure("d", failed_at=NOW + timedelta(seconds=1))]))
    assert counts(database) == [0, 0, 2]


def test_what_waiting_does_not_help_is_told_at_once(database):
    unsteady = Unsteady(database, before=1, permanent=True)
    with pytest.raises(DatabaseError, match="away"):
        keep(unsteady, BATCH)
    assert unsteady.tries == 1
    assert counts(database) == [0, 0, 0]


def test_patience_ends(database):
    unsteady = Unsteady(database, before=1000)
    began = time.monotonic()
    with pytest.raises(DatabaseError, match="away"):
        keep(unsteady, BATCH, patience=0.5)
    assert unsteady.tries > 2
    assert time.monotonic() - began < 5.0


@pytest.mark.long(9)
def test_who_wants_to_stop_waits_ten_seconds_at_the_most(database):
    began = time.monotonic()
    with pytest.raises(DatabaseError, match="away"):
        keep(Unsteady(database, before=1000), BATCH, hurried=lambda: True)
    assert time.monotonic() - began < 15.0


@pytest.mark.postgresql_only("on SQLite a lost try is over when it is told")
def test_a_lost_try_that_is_still_under_way_is_waited_for(database):
    class Cut(Unsteady):
        """The first try was cut off before its commit, which the server carries out half a second later."""

        @contextmanager
        def write(self) -> Iterator[Connection]:
            self.tries += 1
            if self.tries == 1:
                begun = threading.Event()
                late = threading.Thread(target=self._late, args=(begun,))
                late.start()
                assert begun.wait(30)
                raise DatabaseError("away", permanent=False)
            with Database.write(self) as connection:
                yield connection

        def _late(self, begun: threading.Event) -> None:
            with Database.write(self) as connection:
                from monitor.store import answers

                answers.add(connection, [one for one, _ in BATCH.kept], [scores for _, scores in BATCH.kept])
                answers.add_failures(connection, BATCH.lost)
                begun.set()
                time.sleep(0.5)

    keep(Cut(database), BATCH)
    assert counts(database) == [3, 3, 2]
