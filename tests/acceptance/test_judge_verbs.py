"""`heldout judge` as a user meets it: one judge from its first baseline over people's labels to its successor."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.acceptance.harness import FAILED, INCONCLUSIVE, INVESTIGATE, PASS, USAGE, Home, cases
from tests.acceptance.judged import answering, configure

MINE = """
name = "mine"
version = "1"
description = "Replies about numbers."
[[criteria]]
id = "rated"
question = "On a scale of 1 to 5, how good is the answer?"
"""


def fill_in(path: Path) -> Path:
    """What people make of an export: right is what equals the reference."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = path.with_name("labels.csv")
    with done.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(
            row | {"label": "met" if row["answer"] == row["reference"] else "not_met", "by": "ada"} for row in rows
        )
    return done


def test_a_judge_is_watched_calibrated_and_followed_by_another(tmp_path: Path) -> None:
    known = cases(right=24, wrong=0, between=16, p=0.5)
    home = Home(tmp_path)
    with answering(known) as provider:
        configure(home, known, provider)
        none = home.run("judge", "check", "--json", code=INCONCLUSIVE)
        assert none.json == {"schema": 1, "checks": []}
        assert "`heldout baseline collect bot support`" in none.said
        offered = home.run("baseline", "collect", "bot", "support", code=PASS)
        assert "and up to 240 of judges" in offered.said

        # It is what it was.
        before = provider.judged
        fine = home.run("judge", "check", "bot", "support", "--json", code=PASS)
        (judge,) = fine.json["checks"][0]["judges"]
        assert (judge["changed"], judge["untrusted"], judge["kappa"]) == (False, None, None)
        assert fine.json["checks"][0]["calls"] == provider.judged - before > 100

        # People label, and a rollback may rest on it.
        home.run("judge", "calibrate", "--export", "label.csv", "--count", "40", code=PASS)
        told = home.run("judge", "calibrate", str(fill_in(tmp_path / "label.csv")), code=PASS)
        assert "kappa 1.00" in told.said
        assert "A rollback may rest on these judges" in told.said
        checked = home.run("check", code=PASS).said
        assert "✓ judges.strict: judged an expected output (c0000) by support_answer by fake-1" in checked
        assert "no rollback may rest" not in checked

        # Another model takes its place, and is stricter.
        configure(home, known, provider, model="judge-2")
        provider.fails = frozenset(range(8))
        strange = home.run("judge", "check", code=INCONCLUSIVE)
        assert "`heldout judge bridge bot support`" in strange.said
        bridged = home.run("judge", "bridge", "bot", "support", "--json", code=PASS)
        (contrast,) = bridged.json["rubrics"][0]["contrasts"]
        assert (contrast["up"], contrast["down"]) == (0, 8)

        # Its provider puts another model behind the name.
        provider.name = "fake-2"
        changed = home.run("judge", "check", code=INVESTIGATE).said
        assert "Its model was reported as fake-2; at deployment: fake-1." in changed
        assert "No alert is raised by this" in changed


def test_rubrics_are_linted_without_a_configuration(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "mine.toml").write_text(MINE)
    assert "nothing to mend" in home.run("judge", "lint", "tone", "summary", code=PASS).said
    refused = home.run("judge", "lint", "mine.toml", code=FAILED)
    (finding,) = refused.out.splitlines()
    assert finding.startswith("mine.toml: criteria[1] (rated): refuse: ")
    assert "Better: " in finding
    assert home.run("judge", "lint", "mine.toml", "--json", code=FAILED).json["rubrics"][0]["refused"] is True
    unknown = home.run("judge", "lint", "tonne", "nowhere.toml", code=USAGE)
    assert "did you mean tone?" in unknown.said
    assert "nowhere.toml: there is no such file" in unknown.said
    assert home.tables() == set()


def test_wrong_names_and_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    known = cases(right=3, wrong=0)
    home = Home(tmp_path)
    with answering(known) as provider:
        configure(home, known, provider)
        assert 'did you mean "support"?' in home.run("judge", "check", "bot", "suport", code=USAGE).said
        assert 'did you mean "bot"?' in home.run("judge", "bridge", "bott", "support", code=USAGE).said
        unknown = home.run("judge", "calibrate", "l.csv", "--rubric", "suport_answer", code=USAGE)
        assert '"support_answer"?' in unknown.said
        assert "name a file of labels, or --export a new one" in home.run("judge", "calibrate", code=USAGE).said
        (tmp_path / "l.csv").write_text("case,answer,lable\nc0001,yes,good\n")
        wrong = home.run("judge", "calibrate", "l.csv", code=USAGE)
        assert "l.csv:1: has no column label" in wrong.said
        assert provider.judged == 0
        home.configure(known, provider)  # type: ignore[arg-type]
        assert "no rubric is judged for bot · support" in home.run("judge", "bias", code=USAGE).said
