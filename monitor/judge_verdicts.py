"""What judges say of answers that people labelled: what is stored, and, where nothing is, what they say now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from judges import panel
from judges.labels import Label, LabelError, answer_key
from judges.pairs import Judged
from judges.vote import Verdict
from monitor.config.faults import did_you_mean
from monitor.domain.case import Case
from monitor.domain.judgement import Judgement, Juror
from monitor.domain.run import Halt
from monitor.judging.hearing import hear, opinions_of
from monitor.judging.marking import beforehand
from monitor.judging.people import answer_hash
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item, Jury, Sitting
from monitor.replay.stage import Workplace
from monitor.store import judgements
from monitor.store.database import Database


@dataclass(frozen=True)
class Labelled:
    """The answers that labels are about, as something to judge, by (case id, answer's key).

    `unknown` of them are stored nowhere: they are judged as the file has them.
    """

    items: Mapping[tuple[str, str], Item]
    unknown: int = 0


@dataclass
class Said:
    """What is known of the labelled answers by one rubric: by the answer's key, each judge's last judgement."""

    scorer: RubricScorer
    items: Mapping[tuple[str, str], Item]
    by_item: dict[str, dict[Juror, Judgement]] = field(default_factory=dict)

    @classmethod
    def load(cls, database: Database, scorer: RubricScorer, labelled: Labelled) -> Said:
        """As of what is stored."""
        keys = [item.key for item in labelled.items.values()]
        with database.read() as connection:
            return cls(scorer, labelled.items, judgements.newest(connection, scorer.fingerprint, keys))

    def missing(self) -> dict[Juror, list[Item]]:
        """The answers that each judge of the panel has not judged yet; each is asked about all, split or not."""
        items = {item.key: item for item in self.items.values() if beforehand(self.scorer, item) is None}
        return {
            juror: [item for key, item in items.items() if juror not in self.by_item.get(key, {})]
            for juror in self.scorer.panel
        }

    async def ask(self, place: Workplace, sitting: Sitting, jury: Jury) -> Halt | None:
        """Have judged what is missing."""
        for juror, items in self.missing().items():
            if not items:
                continue
            alone = RubricScorer(self.scorer.rubric, (juror,))
            heard = await hear(place, sitting, jury, alone, items, everyone=True)
            for key, said in heard.said.items():
                self.by_item.setdefault(key, {}).update({one.juror: one for one in said})
            if heard.halt is not None:
                return heard.halt
        return None

    def of_panel(self) -> dict[tuple[str, str], Judged]:
        """What the panel as a whole says of each labelled answer."""
        found = {}
        for place, item in self.items.items():
            known = self._beforehand(item)
            said = [self.by_item[item.key][j] for j in self.scorer.panel if j in self.by_item.get(item.key, {})]
            if known is None and said:
                decision = panel.decide(self.scorer.rubric, opinions_of(said), len(self.scorer.panel))
                known = Judged(decision.verdicts, decision.mark.score)
            if known is not None:
                found[place] = known
        return found

    def of_judge(self, juror: Juror) -> dict[tuple[str, str], Judged]:
        """What one judge says of each labelled answer."""
        found = {}
        for place, item in self.items.items():
            known, one = self._beforehand(item), self.by_item.get(item.key, {}).get(juror)
            if known is None and one is not None:
                votes = one.votes or {}
                known = Judged({name: Verdict(verdict) for name, (verdict, _) in votes.items()}, one.value)
            if known is not None:
                found[place] = known
        return found

    def _beforehand(self, item: Item) -> Judged | None:
        """What is said without a model, as in a run: it is the score that counts."""
        mark = beforehand(self.scorer, item)
        return None if mark is None else Judged({}, mark.value)


def labelled(
    database: Database,
    suite: str,
    cases: Mapping[str, Case],
    scorer: RubricScorer,
    labels: Iterable[Label],
    target: str | None = None,
) -> Labelled:
    """The answers that labels by the scorer's rubric are about, with the contexts that they came with."""
    mine = [label for label in labels if label.rubric == scorer.name and label.case in cases]
    wanted = {(label.case, answer_key(label.answer)): label for label in mine}
    hashes = {(case, answer_hash(text)): (case, text) for case, text in wanted}
    items: dict[tuple[str, str], Item] = {}
    with database.read() as connection:
        ids = list(dict.fromkeys(label.case for label in mine))
        for case_id, fingerprint, text, contexts in judgements.answers_to(connection, suite, ids, target):
            place = hashes.get((case_id, answer_hash(text)))
            if place is not None and place not in items and cases[case_id].fingerprint == fingerprint:
                items[place] = _item(scorer, cases[case_id], text, contexts)
    unknown = [place for place in wanted if place not in items]
    items |= {place: _item(scorer, cases[place[0]], wanted[place].answer) for place in unknown}
    return Labelled(items, len(unknown))


def refuse_strange(path: str, labels: Sequence[Label], cases: Mapping[str, Case], suite: str) -> None:
    """Raise LabelError with every label of a case that the suite does not have."""
    faults = [
        f"{path}:{label.line}: case: the suite {suite} has no case {label.case!r}{did_you_mean(label.case, cases)}"
        for label in labels
        if label.case not in cases
    ]
    if faults:
        raise LabelError(list(dict.fromkeys(faults)))


def _item(scorer: RubricScorer, case: Case, text: str, contexts: tuple[str, ...] = ()) -> Item:
    return Item(material_key(case, text, contexts), case.id, scorer.material(case, text, contexts))
