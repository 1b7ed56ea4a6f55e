"""A rubric with its panel: a scorer beside the metrics, which takes models to ask."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from judges.material import Material
from judges.prompt import PROMPT_VERSION
from judges.rubric import Rubric, Sees
from monitor.domain.case import Case
from monitor.domain.judgement import Juror

NO_CONTEXTS = "there are no contexts to judge it by: the target reports none, and the case has none"


@dataclass(frozen=True)
class RubricScorer:
    """How one rubric is judged. `panel`: an odd number of judges, of whom the majority decides each criterion."""

    rubric: Rubric
    panel: tuple[Juror, ...]

    @property
    def name(self) -> str:
        """What people call the scorer."""
        return self.rubric.name

    @cached_property
    def fingerprint(self) -> str:
        """Hash (hex, 16 digits) of what a judge is asked: the rubric and how it is put to a model."""
        return _hash([self.rubric.fingerprint, PROMPT_VERSION])[:16]

    @cached_property
    def key(self) -> str:
        """What scores are stored under; another rubric, prompt or panel has another key, and so begins a new epoch."""
        panel = sorted(juror.fingerprint for juror in self.panel)
        return f"{self.name}@{_hash([self.fingerprint, panel])[:16]}"

    def fault(self, case: Case) -> str | None:
        """Why no answer to this case can be judged; None where it can."""
        needs = frozenset.intersection(*(criterion.sees for criterion in self.rubric.criteria))
        if Sees.REFERENCE in needs and not case.acceptable:
            return "it has no expected output, which every criterion of the rubric is judged by"
        return None

    def material(self, case: Case, text: str, contexts: tuple[str, ...] = ()) -> Material:
        """What is put before the judges: the contexts are those that the answer came with, else the case's own."""
        own = (case.context,) if case.context is not None else ()
        asked = "\n\n".join(f"{turn.role}: {turn.content}" for turn in case.messages)
        return Material(
            answer=text,
            input=case.question if len(case.messages) == 1 else asked,
            references=case.acceptable,
            contexts=contexts or own,
        )

    def unjudgeable(self, material: Material) -> str | None:
        """Why this answer cannot be judged, though its case can."""
        needs = frozenset.intersection(*(criterion.sees for criterion in self.rubric.criteria))
        return NO_CONTEXTS if Sees.CONTEXT in needs and not material.contexts else None


def material_key(case: Case, text: str, contexts: tuple[str, ...] = ()) -> str:
    """Identifies an answer with its case and contexts (hex, 32 digits): equal ones are judged once."""
    return _hash([case.id, case.fingerprint, text, list(contexts)])[:32]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()
