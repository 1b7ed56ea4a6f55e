"""How long to wait, from headers that may say anything."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.retry_after import http_date, retry_after_seconds

NOW = datetime(2026, 11, 16, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((None, None), ("30", 30.0), (" 1.5 ", 1.5), ("0", None), ("-3", None), ("nan", None), ("inf", None)),
        *(("soon", None), ("", None), ("Mon, 16 Nov 2026 13:01:30 GMT", 90.0), ("Mon, 16 Nov 2026 12:00:00 GMT", None)),
        *(("Mon, 16 Nov 2026 15:01:30 +0200", 90.0), ("Fri, 31 Dec 9999 23:59:59 -2300", None)),
    ],
)
def test_seconds_and_dates(value, seconds):
    assert retry_after_seconds(value, NOW) == seconds


@given(st.text() | st.floats().map(str) | st.dates().map(str))
def test_whatever_stands_there_is_a_finite_wait_or_none(value):
    seconds = retry_after_seconds(value, NOW)
    assert seconds is None or (math.isfinite(seconds) and seconds > 0)


@given(st.integers(1, 10**8))
def test_a_date_is_read_back(seconds):
    moment = NOW + timedelta(seconds=seconds)
    assert http_date(format_datetime(moment, usegmt=True)) == moment
    assert retry_after_seconds(format_datetime(moment, usegmt=True), NOW) == seconds
