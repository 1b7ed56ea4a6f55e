"""Which thread a message belongs to, when others of its line were sent since it was leased."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.channel import Receipt
from alerts.outbox import OutboxRow
from alerts.sending import Threads
from tests.unit.alerts.samples import at

ROW = OutboxRow(1, "slack", "a", "post", "alert-1", {}, 0, at(16, 7), at(16, 7) + timedelta(minutes=1), incident="i-1")


@pytest.mark.parametrize(
    ("receipts", "leased_with", "sent_to"),
    [
        ([], None, None),
        ([Receipt("ts-1")], None, "ts-1"),
        ([Receipt("ts-1"), Receipt("ts-2")], None, "ts-1"),
        ([Receipt("ts-2")], "ts-1", "ts-1"),
        ([Receipt("ts-2", anew=True)], "ts-1", "ts-2"),
        ([Receipt("ts-2", anew=True), Receipt("ts-2")], "ts-1", "ts-2"),
        ([Receipt(None)], "ts-1", "ts-1"),
    ],
)
def test_the_thread_is_the_first_one_or_the_one_in_its_place(receipts, leased_with, sent_to):
    threads = Threads()
    for receipt in receipts:
        threads.learn(ROW, receipt)
    assert threads.placed(replace(ROW, thread=leased_with)).thread == sent_to
    other = replace(ROW, incident="i-2", thread="ts-9")
    assert threads.placed(other).thread == "ts-9"
    assert threads.placed(replace(ROW, incident=None)).thread is None
