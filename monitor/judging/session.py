"""The judges' part of one run: canaries first, then the run's answers, then anchors; in one sitting nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.domain.case import Case
from monitor.domain.judgement import MAIN_SITTING, Marked
from monitor.domain.judging import JudgeSeen
from monitor.domain.run import Baseline, Halt, Phase, Run
from monitor.grading import Grader
from monitor.judging import watching
from monitor.judging.anchors import Anchor, Anchors
from monitor.judging.drift import drifts
from monitor.judging.marking import mark, score_answers
from monitor.judging.seat import Jury, Sitting
from monitor.judging.setup import Judging
from monitor.judging.watching import Distrust
from monitor.replay.stage import Workplace
from monitor.store import judgements
from monitor.store.database import Database

# So long a judge is taken for the same judge: the stages of a day. After it, what a run compares is judged anew.
SITTING = timedelta(hours=12)
_FIRST = {Phase.MAIN: MAIN_SITTING, Phase.CONFIRM: "confirm"}


@dataclass
class Look:
    """What the judges have said in one sitting about the answers of one phase, and about anchors.

    `chosen`: the anchors that are judged again, all of them with `everything`; `today`: what the panels say in this
    sitting, by scorer key and answer.
    """

    sitting: Sitting
    everything: bool = False
    chosen: list[Anchor] = field(default_factory=list)
    today: dict[str, dict[str, Marked]] = field(default_factory=dict)
    drift: tuple[JudgeSeen, ...] = ()
    watched: bool = False

    @property
    def judged_again(self) -> list[Anchor]:
        """Of the chosen anchors those that every panel has decided on, be it that they have no score."""
        panels = self.today.values()
        return [one for one in self.chosen if panels and all(one.key in of_scorer for of_scorer in panels)]


@dataclass
class Session:
    """What the judges have done in one run so far. Taken up again, it finds everything stored and asks nothing twice.

    Each phase has sittings of its own: a rollback is confirmed by what judges say then of both periods. A sitting that
    is older than `SITTING` is followed by another, in which answers and anchors are judged anew.

    `distrusted` and `halt` say why there may be no headline: judges that failed their canaries, or could not be asked.
    `away`: by (judge, rubric) why one could not be asked about its canaries, and so is left out.
    """

    place: Workplace
    judging: Judging
    grader: Grader
    run: Run
    baseline: Baseline | None
    cases: Sequence[Case]
    label: str
    distrusted: tuple[Distrust, ...] = ()
    away: dict[tuple[str, str], Halt] = field(default_factory=dict)
    halt: Halt | None = None
    anchors: Anchors | None = None
    phase: Phase = Phase.MAIN
    looks: dict[Phase, Look] = field(default_factory=dict)

    @property
    def look(self) -> Look:
        """That of the phase that was judged last."""
        return self.looks.get(self.phase) or Look(self._sitting(self.phase, _FIRST[self.phase]))

    @property
    def usable(self) -> bool:
        """Whether these judges' scores may reach the headline."""
        return not self._of_headline()

    @property
    def why_unusable(self) -> str:
        """Which judges failed which canaries."""
        return " ".join(
            f"The judge {one.judge} cannot be trusted with {one.rubric} now: {one.reason}."
            for one in self._of_headline()
        )

    async def attend(self, jury: Jury, phase: Phase, *, everything: bool = False) -> None:
        """Judge what is missing: the canaries, the answers of `phase` and, where there is a baseline, its anchors.

        Those are this week's, or with `everything` all.
        """
        self.halt, self.phase = None, phase
        look = self._opened(phase)
        by_id = {case.id: case for case in self.cases}
        if self.baseline is not None and not look.watched:
            await self._watch(jury, look, self.baseline, by_id)
            if self.halt is not None or not self.usable:
                return
        jury = {seat: judge for seat, judge in jury.items() if seat not in self.away}
        distrusted = {one.rubric for one in self.distrusted}
        for scorer in self.judging.scorers.values():
            if scorer.name not in distrusted:
                halt = await score_answers(self.place, look.sitting, jury, scorer, (self.run.id, phase), by_id)
                self._halted(scorer.name, halt)
        if self.halt is None and self.baseline is not None and self.judging.headline:
            self._recall(look, self.baseline)
            look.everything = look.everything or everything
            await self._judge_again(jury, look, self.baseline)
            if self.halt is None and not look.everything and any(one.moved for one in look.drift):
                look.everything = True
                await self._judge_again(jury, look, self.baseline)

    def recall(self) -> None:
        """Take up what is stored, asking nobody."""
        if self.baseline is None or not self.judging.headline:
            return
        began = begun(self.place.database, self.run)
        for phase in Phase:
            mine = [part for part in parts(phase) if part in began]
            if mine and phase not in self.looks:
                look = Look(self._sitting(phase, mine[-1]))
                self._recall(look, self.baseline)
                self._compare(look, self.baseline)
                self.looks[phase] = look

    def heard(self, phase: Phase) -> Look:
        """What was said in the newest sitting of a phase, where there is no baseline to compare with; asks nobody."""
        began = begun(self.place.database, self.run)
        part = next((part for part in reversed(parts(phase)) if part in began), _FIRST[phase])
        look = Look(self._sitting(phase, part))
        with self.place.database.read() as connection:
            for scorer in self.judging.deciding:
                look.today[scorer.key] = judgements.marks(connection, self.run.id, scorer.key, part)
        return look

    def _sitting(self, phase: Phase, part: str) -> Sitting:
        return Sitting(self.run.id, self.run.id, self.label, part)

    def _opened(self, phase: Phase) -> Look:
        """The sitting that is held now: the newest of the phase or, where that is too old, another."""
        self.recall()
        began = begun(self.place.database, self.run)
        names = parts(phase)
        held = [i for i, part in enumerate(names) if part in began]
        now = held[-1] if held else 0
        if held and self.place.now() - began[names[now]] > SITTING:
            now = min(now + 1, len(names) - 1)
        look = self.looks.get(phase)
        if look is None or look.sitting.part != names[now]:
            look = self.looks[phase] = Look(self._sitting(phase, names[now]))
        return look

    async def _watch(self, jury: Jury, look: Look, baseline: Baseline, by_id: dict[str, Case]) -> None:
        with self.place.database.read() as connection:
            pinned = bool(judgements.canaries(connection, baseline.run_id))
        if not pinned:
            # The baseline is older than its judges.
            with self.place.database.write() as connection:
                watching.pin(connection, baseline.run_id, self.cases, self.judging.canaries)
        self.distrusted, self.away = (), {}
        for scorer in self.judging.scorers.values():
            watched = await watching.watch(self.place, look.sitting, jury, scorer, baseline.run_id, by_id)
            self.distrusted = (*self.distrusted, *watched.distrusted)
            self.away |= {(name, scorer.name): why for name, why in watched.away.items()}
            self._halted(scorer.name, watched.halt)
        look.watched = self.halt is None

    def _recall(self, look: Look, baseline: Baseline) -> None:
        """The baseline's answers, and what is stored of judging them again in this sitting."""
        if self.anchors is None:
            # What is judged is the same by every rubric; its prompt leaves out what it may not see.
            some = self.judging.deciding[0]
            self.anchors = Anchors.load(self.place.database, self.grader, some, baseline.run_id, self.cases)
        look.chosen = self.anchors.chosen(self.judging.anchors, self.run.slot or self.run.created_at)
        with self.place.database.read() as connection:
            for scorer in self.judging.deciding:
                at = (look.sitting.occasion, scorer.key, look.sitting.part)
                look.today[scorer.key] = judgements.marks(connection, *at)
        # All were judged in an earlier look of this sitting: from then on all of them count.
        look.everything = look.everything or all(
            one.key in of_scorer for of_scorer in look.today.values() for one in self.anchors.answers
        )
        if look.everything:
            look.chosen = list(self.anchors.answers)

    async def _judge_again(self, jury: Jury, look: Look, baseline: Baseline) -> None:
        if self.anchors is None:
            return
        if look.everything:
            look.chosen = list(self.anchors.answers)
        items = [self.anchors.items[key] for key in dict.fromkeys(one.key for one in look.chosen)]
        for scorer in self.judging.deciding:
            marks = await mark(self.place, look.sitting, jury, scorer, items)
            look.today[scorer.key] = look.today.get(scorer.key, {}) | marks.decided
            self.halt = self.halt or marks.halt
        self._compare(look, baseline)

    def _compare(self, look: Look, baseline: Baseline) -> None:
        given = Counter(one.key for one in look.chosen)
        look.drift = tuple(
            one
            for scorer in self.judging.deciding
            for one in drifts(self.place.database, scorer, baseline.run_id, look.sitting, given)
        )

    def _halted(self, rubric: str, halt: Halt | None) -> None:
        """Remember why the headline cannot be looked at; a rubric that is only shown has no score then, and no more."""
        if rubric in self.judging.headline:
            self.halt = self.halt or halt

    def _of_headline(self) -> list[Distrust]:
        return [one for one in self.distrusted if one.rubric in self.judging.headline]


def begun(database: Database, run: Run) -> dict[str, datetime]:
    """When each sitting of a run began, by its name."""
    with database.read() as connection:
        return judgements.began(connection, run.id)


def parts(phase: Phase) -> list[str]:
    """The names that the sittings of a phase have, in order; more than these no run will need."""
    first = _FIRST[phase]
    return [first, *(f"{first}+{number}" for number in range(2, 100))]
