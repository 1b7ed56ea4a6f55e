"""What `heldout check` finds about judges: what a week takes of them, what they cannot show, whether they answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judges.family import UNKNOWN
from monitor import families
from monitor.app import App
from monitor.domain.case import Case
from monitor.domain.run import Baseline, Phase
from monitor.judging.anchors import Anchors
from monitor.judging.bench import put
from monitor.judging.forecast import NOTHING, Cost, of_answers, of_canaries
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item, Seat
from monitor.judging.setup import Judging
from monitor.replay.budget import Budget, BudgetExhaustedError, Caps
from monitor.setting import barred
from monitor.site import Site
from monitor.store import answers

# A judge's shift that should be seen, in points (where an investigation begins), and the share that differs by chance.
SEEN_SHIFT, TYPICAL_CHURN = 3.0, 0.02
# A week of every look is judged in three sittings: its stages, the next day's look, the confirmation. That of the next
# day judges the stages' answers again, so that of three caps of answers four are judged.
SITTINGS, ANSWERS_JUDGED = 3, 4 / 3
# Calls to one judge, where the first ones fail in a way that passes.
MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class JudgesExpected:
    """What a week without a change takes of judges: on its answers, on anchors and on canaries.

    `baseline`: what collecting the baseline takes of them. `most_calls`: in a week with every stage, confirmed, and all
    anchors judged again.
    """

    judgements: Cost
    anchors: Cost
    canaries: Cost
    baseline: Cost
    most_calls: int

    @property
    def week(self) -> Cost:
        """All of a week."""
        return self.judgements + self.anchors + self.canaries


@dataclass(frozen=True, slots=True)
class Week:
    """Answers of a week: `expected` without a change, at most `most`, after `repeats` answers a case at deployment."""

    expected: float
    most: int
    repeats: int


def expected(app: App, site: Site, baseline: Baseline | None, week: Week) -> JudgesExpected | None:
    """What a week takes of the site's judges; None where it has none. Equal answers are judged once."""
    judging, database = site.judging, app.place.database
    if judging is None:
        return None
    cases = site.scorable
    share = _different(app, baseline)
    calls = len([juror for scorer in judging.scorers.values() for juror in scorer.panel])
    canaries = of_canaries(database, judging, cases)
    everything = sum(len(scorer.panel) for scorer in judging.deciding) * math.ceil(share * week.repeats * len(cases))
    deployment = of_answers(database, judging, math.ceil(share * week.repeats * len(cases)), cases)
    return JudgesExpected(
        judgements=of_answers(database, judging, math.ceil(share * week.expected), cases),
        anchors=of_answers(database, judging, _anchors(app, site, judging, baseline, week), cases, judging.deciding)
        if judging.headline
        else NOTHING,
        canaries=canaries,
        baseline=deployment + canaries,
        most_calls=math.ceil(calls * week.most * ANSWERS_JUDGED) + SITTINGS * (everything + canaries.calls),
    )


def warnings(app: App, site: Site, baseline: Baseline | None, week: Week) -> Iterator[str]:
    """What the judges of a site cannot show, and why."""
    from monitor.stats.flips import anchors_needed

    judging = site.judging
    if judging is None:
        return
    target = families.of_site(app.config, site)
    for name in dict.fromkeys(juror.name for scorer in judging.scorers.values() for juror in scorer.panel):
        if target != UNKNOWN and families.of_judge(app.config, name) == target:
            yield (
                f"[judges.{name}] is of the same family of models as [targets.{site.target}] ({target}), and a judge "
                "may favour its own: one of another family judges it more fairly"
            )
    if not judging.headline:
        return
    there, needed = _anchors(app, site, judging, baseline, week), anchors_needed(SEEN_SHIFT, TYPICAL_CHURN)
    if there < needed:
        more = "raise [judging] anchors" if judging.anchors < week.repeats else "collect more answers of deployment"
        yield (
            f"{site.name}: a judge that becomes {SEEN_SHIFT:g} points stricter or more lenient is seen from about "
            f"{needed:,} anchors on (different answers of deployment that are judged again each week), and there are "
            f"{there:,}: {more}, or add cases"
        )
    why = barred(app, site)
    if why is not None:
        yield f"{site.name}: no rollback may rest on the judges alone: {why}; see `heldout judge calibrate --help`"


async def ask(app: App, answered: dict[str, str], failures: list[str]) -> None:
    """Have each judge judge one expected output by one rubric, and say how that went."""
    done: set[str] = set()
    for site in app.sites.values():
        judging = site.judging
        if judging is None or done >= {name for name, _ in judging.pricers}:
            continue
        budget = Budget(Caps(app.config.budget.usd_per_run, MOST_TRIES * len(judging.pricers)), app.month)
        async with judging.convene(budget) as jury:
            for (name, rubric), seat in jury.items():
                if name not in done:
                    done.add(name)
                    scorer = judging.scorers[rubric]
                    fault = await _ask(f"judges.{name}", seat, scorer, _example(scorer, site.scorable), answered)
                    failures += [f"[judges.{name}]: {fault}"] if fault is not None else []


async def _ask(key: str, seat: Seat, scorer: RubricScorer, item: Item, answered: dict[str, str]) -> str | None:
    """What is wrong with a judge; None where nothing is, and then what it said is in `answered`."""
    try:
        heard = await put(seat, scorer, item)
    except BudgetExhaustedError as error:
        return f"was not asked, because {error}"
    reply = heard.asked.reply
    if reply is None or heard.opinion is None:
        return heard.asked.error.message if heard.asked.error else "no answer"
    if not heard.opinion.votes:
        return f"answered, but not in the form of a judgement: {heard.opinion.reason}"
    mark = scorer.rubric.mark({name: vote.verdict for name, vote in heard.opinion.votes.items()})
    score = f"unscored: {mark.reason}" if mark.score is None else f"score {100 * mark.score:.0f}"
    model = f" by {reply.model}" if reply.model else ""
    answered[key] = (
        f"judged an expected output ({item.case_id}) by {scorer.name}{model} in {heard.asked.latency:.2f} s ({score})"
    )
    return None


def _example(scorer: RubricScorer, cases: Sequence[Case]) -> Item:
    """An answer that is right: the first expected output."""
    case = next((case for case in cases if case.acceptable), cases[0])
    text = case.acceptable[0] if case.acceptable else "I do not know."
    return Item(material_key(case, text), case.id, scorer.material(case, text))


def _different(app: App, baseline: Baseline | None) -> float:
    """The share of answers of deployment that are no repetition; 1 where there are none yet."""
    if baseline is None:
        return 1.0
    with app.place.database.read() as connection:
        texts = answers.distinct_texts(connection, baseline.run_id, Phase.MAIN)
    total, different = (sum(column) for column in zip(*texts.values(), strict=True)) if texts else (1, 1)
    return different / total


def _anchors(app: App, site: Site, judging: Judging, baseline: Baseline | None, week: Week) -> int:
    """How many different answers of deployment a week judges again."""
    if baseline is None:
        return min(judging.anchors, week.repeats) * len(site.scorable)
    scorer = judging.deciding[0] if judging.headline else next(iter(judging.scorers.values()))
    anchors = Anchors.load(app.place.database, site.grader, scorer, baseline.run_id, site.scorable)
    return len({one.key for one in anchors.chosen(judging.anchors, app.place.now())})
