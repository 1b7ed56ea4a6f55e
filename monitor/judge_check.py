"""What `heldout judge check` finds: whether each judge still says of known and stored answers what it said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.app import App
from monitor.domain.judgement import Juror
from monitor.domain.judging import JudgeSeen
from monitor.domain.run import Baseline, Halt, Phase, Run
from monitor.judge_run import Agree, JudgeOffer, agreed, begun, convened, finish, judging_of, left_open
from monitor.judging import watching
from monitor.judging.account import account
from monitor.judging.anchors import Anchors
from monitor.judging.forecast import NOTHING, Cost, of_answers, outstanding
from monitor.judging.marking import beforehand
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Sitting
from monitor.judging.session import Session
from monitor.judging.setup import Judging
from monitor.site import Site
from monitor.store import answers, judgements

PURPOSE = "check"


@dataclass(frozen=True, slots=True)
class Checked:
    """One judge by one rubric: `seen` as in a verdict, and the models that judged `then` and `now`, as reported.

    `missing`: why it could not be compared, where it could not.
    """

    seen: JudgeSeen
    then: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    missing: str | None = None

    @property
    def churn(self) -> float | None:
        """The share of the stored answers whose score is another one now."""
        return (self.seen.up + self.seen.down) / self.seen.judged if self.seen.judged else None

    def as_json(self) -> dict[str, object]:
        """As in a verdict, with what is known beyond it; every number is finite or null."""
        churn = None if self.churn is None else round(self.churn, 4)
        models = {"model_then": list(self.then), "model_now": list(self.now)}
        return {**self.seen.as_json(), "churn": churn, **models, "missing": self.missing}


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """What came of one site. `halt`: why judges were not asked on."""

    target: str
    suite: str
    run: str
    judges: tuple[Checked, ...]
    calls: int
    usd: float | None
    halt: Halt | None = None

    @property
    def changed(self) -> bool:
        """Whether a judge says other things now."""
        return any(one.seen.changed for one in self.judges)

    @property
    def unusable(self) -> bool:
        """Whether a judge cannot be trusted, or could not be asked or compared."""
        return self.halt is not None or any(one.seen.untrusted or one.missing for one in self.judges)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "target": self.target,
            "suite": self.suite,
            "run": self.run,
            "judges": [one.as_json() for one in self.judges],
            "changed": self.changed,
            "halted": None if self.halt is None else self.halt.message,
            "calls": self.calls,
            "usd": None if self.usd is None else round(self.usd, 4),
        }


async def check(app: App, site: Site, baseline: Baseline, agree: Agree) -> JudgeCheck:
    """Have the canaries and all stored answers of the baseline judged now; `agree` hears the cost first.

    Raises JudgeError and DeclinedError.
    """
    judging = judging_of(site)
    strange = {
        name
        for name, scorer in judging.scorers.items()
        if outstanding(app.place.database, scorer, judging, baseline.run_id, site.scorable).answers
    }
    run = left_open(app, site, PURPOSE)
    known = [scorer for name, scorer in judging.scorers.items() if name not in strange]
    offer = _offer(app, site, judging, baseline, known, run)
    budget = agreed(app, run, offer, agree)
    run = run or begun(app, site, PURPOSE)
    found: list[Checked] = []
    halt: Halt | None = None
    async with convened(app, judging, run, budget) as jury:
        for name, scorer in judging.scorers.items():
            session = _session(app, site, judging, scorer, run, baseline)
            if name not in strange and halt is None:
                await session.attend(jury, Phase.MAIN, everything=True)
                halt = session.halt
            found += _checked(app, session, scorer, strange=name in strange, asked=halt is None)
    if halt is None:
        finish(app, run)
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id)
    return JudgeCheck(site.target, site.suite.name, run.id, tuple(found), spend.calls, spend.usd, halt)


def _session(app: App, site: Site, judging: Judging, scorer: RubricScorer, run: Run, baseline: Baseline) -> Session:
    """Each rubric by itself: a judge that fails with one is still looked at with the others.

    It counts as if it had a share in the headline, and what judges said yesterday is not what they say now.
    """
    alone = replace(judging, scorers={scorer.name: scorer}, headline=(scorer.name,))
    return Session(app.place, alone, site.grader, run, baseline, site.scorable, site.name)


def _offer(
    app: App,
    site: Site,
    judging: Judging,
    baseline: Baseline,
    scorers: Sequence[RubricScorer],
    run: Run | None,
) -> JudgeOffer:
    """What is left of it, where it was begun before."""
    parts = [_anchors(app, site, judging, baseline, scorer, run) for scorer in scorers]
    # For the baseline as well, where they were not judged then: there has to be something to compare with.
    then = Sitting(baseline.run_id, baseline.run_id, site.name)
    own = None if run is None else Sitting(run.id, run.id, site.name)
    known = sum(
        (
            watching.outstanding(app.place.database, judging, scorer, sitting, baseline.run_id, site.scorable)
            for scorer in scorers
            for sitting in (then, own)
        ),
        NOTHING,
    )
    return JudgeOffer(
        f"Checking the judges of {site.name}",
        (*parts, ("canaries (answers whose verdict is known)", known)),
    )


def _anchors(
    app: App, site: Site, judging: Judging, baseline: Baseline, scorer: RubricScorer, run: Run | None
) -> tuple[str, Cost]:
    anchors = Anchors.load(app.place.database, site.grader, scorer, baseline.run_id, site.scorable)
    done = {}
    if run is not None:
        with app.place.database.read() as connection:
            done = judgements.marks(connection, run.id, scorer.key)
    left = [key for key, item in anchors.items.items() if key not in done and beforehand(scorer, item) is None]
    cost = of_answers(app.place.database, judging, len(left), site.scorable, [scorer])
    return f"{scorer.name}: {len(left):,} answers of deployment", cost


def _checked(app: App, session: Session, scorer: RubricScorer, *, strange: bool, asked: bool) -> list[Checked]:
    missing, run = None, session.run
    if strange:
        missing = (
            "it has not judged the answers of deployment, so there is nothing to compare with; "
            f"`heldout judge bridge {run.target} {run.suite}` has it judge them"
        )
    elif not asked:
        missing = "it could not be asked about everything"
    by_name = {juror.name: juror for juror in scorer.panel}
    found = []
    for seen in account(app.place.database, session).judges:
        away = (seen.judge, seen.rubric) in session.away
        nothing = None if seen.judged or missing else "nothing that it has judged then and now can be compared"
        one = Checked(seen, missing="it could not be asked" if away else missing or nothing)
        found.append(_models(app, session, one, by_name[seen.judge]))
    return found


def _models(app: App, session: Session, one: Checked, juror: Juror) -> Checked:
    occasions = (session.baseline.run_id if session.baseline is not None else "", session.run.id)
    with app.place.database.read() as connection:
        then, now = (tuple(sorted(judgements.reported_models(connection, occasion, juror))) for occasion in occasions)
    return replace(one, then=then, now=now)
