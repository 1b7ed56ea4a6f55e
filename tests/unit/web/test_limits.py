"""How often is too often."""

from __future__ import annotations

import pytest

from monitor.web.limits import _MOST_KEYS, RateLimit, source


def test_so_many_at_once_and_then_as_fast_as_it_refills():
    limit = RateLimit(3, 60.0)
    assert [limit.take("ada", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    assert limit.take("ada", 119.9) == pytest.approx(0.1)
    assert limit.take("ada", 120.0) == 0.0
    assert limit.take("ada", 120.0) > 0
    assert [limit.take("ada", 1e6) for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]


def test_one_does_not_pay_for_another_and_asking_takes_nothing():
    limit = RateLimit(1, 60.0)
    assert limit.take("ada", 0.0) == 0.0
    assert limit.wait("bob", 0.0) == 0.0
    assert limit.take("bob", 0.0) == 0.0
    assert limit.wait("ada", 15.0) == 45.0
    assert limit.take("ada", 60.0) == 0.0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing_away():
    limit = RateLimit(1, 60.0)
    limit.take("ada", 100.0)
    assert limit.take("ada", 40.0) == 60.0


def test_an_attack_from_everywhere_does_not_fill_the_memory():
    limit = RateLimit(1, 60.0)
    for number in range(_MOST_KEYS + 10):
        limit.take(f"client {number}", 0.0)
    assert len(limit._buckets) == _MOST_KEYS
    assert limit.wait(f"client {_MOST_KEYS + 9}", 0.0) > 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("what", "unknown"),
    ],
)
def test_who_counts_as_one_client(address, key):
    assert source(address) == key
