"""What the woken person reads: order, wording, and what must not be there."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Action, Cause, Drop, Example, Kind, Link, Thresholds
from alerts.message import render
from alerts.message_blocks import MOST_FALLBACK, MOST_TEXT, texts
from alerts.text import size
from tests.fakes.slack_server import faults
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK


def shown(alert, **options):
    return "\n".join(texts(render(alert, **options).blocks))


def headline(alert):
    return render(alert).text.splitlines()[0]


def test_the_most_important_comes_first():
    text = render(ROLLBACK).text
    expected = [
        "🔴 ROLLBACK: support-ft on support",
        "Score 83.3 of 100, at deployment 88.9: down 5.6 points (95% interval 4.5 to 6.7).",
        "Bad since Mon 16 Nov 2026, 06:41 UTC (6 hours).",
        "What it means: Users now get clearly worse answers",
        "What to do:",
        "1. Send traffic to support-rag",
        "heldout incident approve 12",
        "Verdict: rollback (confirmed by a second replay)",
        "Second replay: down 5.3 points (95% interval 4.2 to 6.4)",
        "Likely cause (model): 31 of 200 answers changed",
        "Run: 0193a7c1-9f00-7b12-8e55-0a1b2c3d4e5f",
        "Alert: 0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a",
    ]
    places = [text.find(part) for part in expected]
    assert -1 not in places
    assert places == sorted(places)


def test_the_blocks_say_the_same_with_commands_in_code():
    blocks = shown(ROLLBACK)
    assert blocks.startswith("🔴 ROLLBACK: support-ft on support\n")
    assert "`heldout incident approve 12`" in blocks
    assert "Alert: `0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a`" in blocks
    assert "*Model asked for*\n`ft:acme:support`" in blocks
    assert "<https://heldout.internal/runs/0193a7c1?a=1&amp;b=2|Run>" in blocks
    assert faults(list(render(ROLLBACK).blocks)) == []


def test_no_markdown_object_lets_slack_look_for_links_and_names():
    def objects(value):
        if isinstance(value, dict):
            yield from (
                [value] if value.get("type") == "mrkdwn" else [o for part in value.values() for o in objects(part)]
            )
        elif isinstance(value, list | tuple):
            yield from [o for part in value for o in objects(part)]

    found = list(objects(render(ROLLBACK, show_cases=True).blocks))
    assert len(found) > 10
    assert all(text["verbatim"] is True for text in found)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({}, "🔴 ROLLBACK: support-ft on support"),
        ({"kind": Kind.AGAIN}, "🔴 STILL ROLLBACK: support-ft on support"),
        ({"verdict": "investigate", "stage": "pending"}, "🟠 INVESTIGATE, rollback pending: support-ft on support"),
        ({"kind": Kind.RECOVERED, "verdict": "pass"}, "✅ RECOVERED: support-ft on support"),
        ({"kind": Kind.RECOVERING, "verdict": "pass"}, "🟢 CLEAR ONCE, alert still open: support-ft on support"),
        ({"kind": Kind.UNMEASURED, "verdict": "inconclusive"}, "⚫ NOT MEASURED: support-ft on support"),
        ({"kind": Kind.JUDGE, "event": "JUDGE CHANGED"}, "🟣 JUDGE CHANGED: support-ft on support"),
        ({"kind": Kind.JUDGE}, "🟣 LOOK AT THE JUDGES: support-ft on support"),
        ({"kind": Kind.NOTE, "verdict": "inconclusive"}, "⚪ INCONCLUSIVE: support-ft on support"),
    ],
)
def test_the_headline_says_what_happened(change, first):
    assert headline(replace(ROLLBACK, **change)) == first


@pytest.mark.parametrize(
    ("change", "lead"),
    [
        ({"score": None}, "There is no score from this run. At deployment the score was 88.9."),
        ({"score": None, "baseline_score": None}, "There is no score from this run."),
        ({"baseline_score": None}, "Score 83.3 of 100. There is no baseline to compare it with."),
        ({"drop": None}, "Score 83.3 of 100, at deployment 88.9. How large the drop is, is not known."),
        (
            {"drop": Drop(-1.25, -2.0, 0.5)},
            "Score 83.3 of 100, at deployment 88.9: up 1.2 points (95% interval −0.5 to 2.0).",
        ),
        ({"drop": Drop(0.0, -0.04, 3.0, 0.9)}, "at deployment 88.9: unchanged (90% interval 0.0 to 3.0)."),
        ({"drop": Drop(4.0)}, "down 4.0 points (interval unknown)."),
        ({"drop": Drop(4.0, 1.0)}, "down 4.0 points (95% interval 1.0 to unknown)."),
    ],
)
def test_the_lead_says_how_much_or_that_it_is_unknown(change, lead):
    assert lead in render(replace(ROLLBACK, since=None, **change)).text.splitlines()[1]


def test_news_of_the_judges_is_not_news_of_the_target():
    story = render(replace(ROLLBACK, kind=Kind.JUDGE, since=None)).text
    assert (
        story.splitlines()[1]
        == "This is about what measures support-ft, not about support-ft itself: the verdict is rollback."
    )
    assert "down 5.6 points" not in story
    assert "<!here>" not in render(replace(ROLLBACK, kind=Kind.JUDGE), mention="<!here>").text
    long = replace(ROLLBACK, kind=Kind.JUDGE, event="X" * 500, target="t" * 500, verdict="v" * 500)
    assert size(headline(long)) <= 150
    assert faults(list(render(long).blocks)) == []


@pytest.mark.parametrize(
    ("later", "age"),
    [
        (timedelta(minutes=59), ""),
        (timedelta(hours=1), " (1 hour)"),
        (timedelta(days=1), " (1 day)"),
        (timedelta(days=21), " (21 days)"),
    ],
)
def test_since_when_with_its_age(later, age):
    alert = replace(ROLLBACK, finished_at=ROLLBACK.since + later)
    assert f"Bad since Mon 16 Nov 2026, 06:41 UTC{age}." in render(alert).text
    assert "It was bad since" in render(replace(alert, kind=Kind.RECOVERED)).text


def test_thresholds_name_their_unit():
    assert "investigate at 3 points, roll back at 5 points" in render(ROLLBACK).text
    percent = replace(ROLLBACK, thresholds=Thresholds(2.5, 4.0, "percent"))
    assert "investigate at 2.5% of the baseline, roll back at 4% of the baseline" in render(percent).text


def test_a_model_that_changed_its_name_is_shown_with_both():
    assert "Model asked for: gpt-5-mini\nModel that answered: gpt-5-mini-2026-11-02" in render(INVESTIGATE).text
    assert "Model that answered" not in render(ROLLBACK).text


def test_no_case_text_without_leave_but_its_id():
    for text in (shown(ROLLBACK), render(ROLLBACK).text):
        assert "refund-017" in text
        assert "Can I return it?" not in text
        assert "Yes, always." not in text
        assert "No, never." not in text


def test_case_texts_with_leave_stand_in_blocks_alone():
    message = render(ROLLBACK, show_cases=True)
    blocks = "\n".join(texts(message.blocks))
    assert "*Case* `refund-017`: score 100.0 at deployment, 0.0 now" in blocks
    assert "Input\n```\nCan I return it?\n```\nExpected\n```\nNo, never.\n```" in blocks
    assert "Answer at deployment\n```\nNo.\n```\nAnswer now\n```\nYes, always.\n```" in blocks
    assert message.blocks[-1]["type"] == "context"
    assert "Yes, always." not in message.text, "notifications land on locked screens"
    assert faults(list(message.blocks)) == []


def test_a_mention_stands_first_where_the_route_wants_somebody_called():
    called = replace(ROLLBACK, mention=True)
    assert render(called, mention="<!subteam^S0123456789>").text.startswith("<!subteam^S0123456789> 🔴 ROLLBACK")
    assert "<!subteam^S0123456789> Score 83.3" in shown(called, mention="<!subteam^S0123456789>")
    for quiet in (ROLLBACK, INVESTIGATE):
        assert "<!" not in render(quiet, mention="<!here>").text + shown(quiet, mention="<!here>")
    assert "<!" not in render(called).text, "nobody is configured to be called"


def test_a_note_is_said_before_all_else():
    message = render(replace(ROLLBACK, mention=True), mention="<!here>", note="The usual channel is down")
    assert message.text.startswith("<!here> The usual channel is down\n🔴 ROLLBACK")
    assert "<!here> *The usual channel is down*\nScore 83.3" in "\n".join(texts(message.blocks))


@pytest.mark.parametrize(
    "mention", ["@here", "<!everyone>", "<https://evil.example|x>", "<!here> <!channel>", "<@U1>\n"]
)
def test_what_is_no_mention_is_refused(mention):
    with pytest.raises(ValueError, match="a mention must look like"):
        render(ROLLBACK, mention=mention)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a|b", "https://a>b", "https://a b", "https://é.example", "ftp://a"]
)
def test_a_link_that_slack_could_misread_is_left_out(url):
    assert "<" not in shown(replace(ROLLBACK, links=(Link("Run", url),)))


def test_a_links_label_cannot_close_it():
    blocks = shown(replace(ROLLBACK, links=(Link("Run|x> <!channel>", "https://a.example/"),)))
    assert "<https://a.example/|Run/x&gt; &lt;!channel&gt;>" in blocks


def test_the_longest_alert_stays_within_every_limit():
    long = "<&>`🔴" * 5_000
    alert = replace(
        ROLLBACK,
        target=long,
        suite=long,
        verdict=long,
        stage=long,
        previous_verdict=long,
        meaning=long,
        reasons=(long,) * 40,
        causes=(Cause(long, long),) * 40,
        actions=(Action(long, long),) * 40,
        examples=(Example(long, long, long, long, long, 1.0, 0.0),) * 40,
        links=(Link(long, "https://a.example/" + "a" * 480),) * 40,
        model_requested=long,
        model_reported=long + "x",
        run=long,
        id=long,
    )
    message = render(alert, show_cases=True)
    assert faults(list(message.blocks)) == []
    assert sum(map(size, texts(message.blocks))) <= MOST_TEXT
    assert size(message.text) <= MOST_FALLBACK
    assert "… and 35 more" in message.text
    assert "(cut: the rest is in the run's record)" in message.text
    assert re.search(r"\nAlert: .+\Z", message.text), "the footer is never what is cut"


def test_examples_fill_the_room_that_is_left_and_no_more():
    examples = tuple(Example(f"case-{i}", *["words " * 100] * 4, 1.0, 0.0) for i in range(9))
    message = render(replace(ROLLBACK, examples=examples), show_cases=True)
    assert sum("*Case*" in text for text in texts(message.blocks)) == 5
    assert sum(map(size, texts(message.blocks))) <= MOST_TEXT
