"""A failpoint ends the process at the place that is named, that many times reached, and nothing otherwise."""

import signal
import subprocess
import sys

import pytest

PROGRAM = "from alerts.failpoint import reached\nfor n in range(3):\n    reached('a.b'); print(n, flush=True)"


@pytest.mark.parametrize(
    ("wanted", "said", "code"),
    [
        ("a.b", "", -signal.SIGKILL),
        ("a.b:3", "0\n1\n", -signal.SIGKILL),
        ("a.b:4", "0\n1\n2\n", 0),
        ("other", "0\n1\n2\n", 0),
        (None, "0\n1\n2\n", 0),
    ],
)
def test_the_process_ends_where_it_was_to(wanted, said, code):
    environ = {} if wanted is None else {"HELDOUT_FAILPOINT": wanted}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == (said, code)
