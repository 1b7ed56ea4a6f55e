"""Which commands are refused, with all their faults at once; addresses and secrets are in test_webhook."""

import pytest

from alerts.hooks.settings import CommandSettings


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ((), r"hooks\.deploy\.command is empty"),
        (("",), "is empty"),
        (("/bin/x", "a\0b"), r"command\[1\] holds a NUL"),
        (("{target}",), r"command\[0\] must be a program"),
        (("/bin/x", "{targets}"), r"command\[1\]: \{targets\} is unknown; known are \{target\}, \{fallback\}"),
        (("/bin/x", "{secret}", "{url}"), r"\{secret\} is unknown.*; .*command\[2\]: \{url\} is unknown"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(command, why):
    with pytest.raises(ValueError, match=why):
        CommandSettings("deploy", command)


def test_braces_that_name_nothing_are_text():
    CommandSettings("deploy", ("/bin/x", '{"a": {}}', "{}", "${HOME:-x}", "{target}{fallback}"))


@pytest.mark.parametrize(("timeout", "grace"), [(0, 5), (-1, 5), (float("nan"), 5), (10, -1)])
def test_times_must_be_times(timeout, grace):
    with pytest.raises(ValueError, match="time-out must be more than 0 s"):
        CommandSettings("deploy", ("/bin/x",), timeout, grace)
