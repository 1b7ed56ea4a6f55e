"""Cleaning, escaping and cutting of hostile text."""

import pytest

from alerts.text import clean, code, cut, fence, line, prose, size


def test_only_three_characters_are_escaped():
    assert line('<!channel> & "it\'s" 100% *bold*', 100) == '&lt;!channel&gt; &amp; "it\'s" 100% *bold*'


def test_escaping_twice_shows_the_entity():
    assert line("&lt;!channel&gt;", 100) == "&amp;lt;!channel&amp;gt;"


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\ud800", "\uffff"]
)
def test_controls_and_direction_overrides_become_visible(hidden):
    assert clean(f"a{hidden}b") == "a\ufffdb"


@pytest.mark.parametrize("invisible", ["\u200b", "\ufeff", "\u2060", "\u00ad", "\U000e0041"])
def test_invisible_characters_go(invisible):
    assert clean(f"a{invisible}b") == "ab"


def test_joiners_of_emoji_and_scripts_stay():
    assert clean("👩\u200d🚒 می\u200cخواهم") == "👩\u200d🚒 می\u200cخواهم"


@pytest.mark.parametrize("call", ["@here", "@channel", "@EVERYONE", "@\u200bhere"])
def test_a_call_to_everyone_is_broken(call):
    assert call.replace("\u200b", "") not in clean(f"hello {call}!")
    assert clean("someone@hereafter.example") == "someone@hereafter.example"


def test_a_line_cannot_start_another():
    assert line("score\n\n*Verdict*\r\npass\u2028ok\x0bx", 100) == "score *Verdict* pass ok x"


def test_nothing_is_shown_as_a_dash():
    assert line(" \n\t ", 100) == "–"
    assert code("", 50) == "`–`"
    assert fence("", 50) == "```\n–\n```"


def test_backticks_cannot_leave_their_span():
    assert code("a`b", 50) == "`aˋb`"
    assert prose("run `rm`", 50) == "run 'rm'"
    assert fence("x ``` y ```` z `ok`", 90) == "```\nx ˋˋˋ y ˋˋˋ` z `ok`\n```"
    assert fence("`\u200b``", 90) == "```\nˋˋˋ\n```"


def test_a_cut_says_so_within_the_limit_and_splits_no_entity():
    for limit in range(40, 60):
        shown = cut("<" * 500, limit)
        assert size(shown) <= limit
        assert shown.endswith(" … [cut: 500 characters]")
        assert shown.removesuffix(" … [cut: 500 characters]").replace("&lt;", "") == ""


def test_what_fits_is_not_cut():
    assert cut("x" * 100, 100) == "x" * 100
    assert cut("&" * 20, 100) == "&amp;" * 20


def test_emoji_count_twice_as_slack_may_count_them():
    assert size("🔴a") == 3
    assert size(cut("🔴" * 100, 60)) <= 60


def test_a_megabyte_is_cut_with_its_true_length():
    assert line("ab " * 400_000, 60).endswith("[cut: 1,200,000 characters]")
    assert fence("ab\n" * 400_000, 60).endswith("[cut: 1,200,000 characters]\n```")
    assert line(" " * 30_000 + "x", 60).endswith("[cut: 30,001 characters]")
