"""The words that lint looks for, and a criterion's question as its rules read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from judges.finding import Level
from judges.rubric import Criterion

AUXILIARY = r"(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|may|might|must)"
_ANSWER = r"(?:answer|response|reply|output|summary|text|message|assistant|model|chatbot|bot|agent|it)"
_ASPECT = (
    r"(?:tone|style|language|wording|structure|format|length|explanation|writing|advice|information|content|reasoning"
    r"|logic|grammar|spelling|layout|facts|code)"
)
SUBJECT = rf"(?:(?:the|its|this|each|every) )?(?:\w+(?:'s)? )?(?:{_ANSWER}|{_ASPECT})(?:'s {_ASPECT})?"
HEAD = re.compile(rf"^{AUXILIARY} {SUBJECT}\b", re.I)
VERB = (
    r"(?:state|give|name|mention|explain|offer|apologi[sz]e|greet|cite|use|include|provide|contain|address|describe|list"
    r"|follow|keep|tell|say|show|refer|thank|ask|suggest|acknowledge|respond|stay|remain|refuse|decline|hold|cover|link"
    r"|quote|match|agree|recommend|confirm|warn|advise|invite|point|end|begin|start|correct|answer|reply|support|help"
    r"|make)"
)
# Words that each judge takes in its own way.
TASTE = (
    r"good|great|nice|excellent|bad|poor|appropriate|suitable|adequate|proper|reasonable|acceptable|useful|helpful"
    r"|effective|satisf(?:ying|actory)|well[- ](?:written|structured|organi[sz]ed|formatted|worded|phrased|done)|clear"
    r"|high[- ]quality|coherent|fluent|natural|professional|engaging|readable|understandable|user[- ]friendly"
    r"|comprehensive|thorough|sufficient|detailed|informative|insightful|meaningful|impressive|fine|ok|okay|sound"
    r"|grammatical|strong|clean|efficient|elegant"
)
# These say enough where a yardstick follows ("relevant to the input"), and too little where the question ends there.
THIN = (
    r"correct|accurate|right|complete|relevant|polite|concise|brief|short|long|friendly|consistent|faithful|respectful"
    r"|courteous|kind|empathetic|simple|safe|factual|true|specific|warm|neutral|reassuring|transparent"
    r"|memorable"
)
TASTE_NOUN = (
    r"(?:answer|response|reply|explanation|summary|advice|tone|style|language|wording|structure|job|way|detail"
    r"|information|reasoning|understanding|grammar|manner|skills?|flow|coverage|value)"
)
TASTE_ADVERB = (
    r"clearly|properly|appropriately|adequately|well|nicely|effectively|sufficiently|satisfactorily|reasonably|fluently"
    r"|coherently|thoroughly|professionally|helpfully"
)
_CLAUSE = re.compile(r"\b(?:that|which|who|whom|whose|what|when|where|whether|why|how|if|than|because)\b|:")
_QUOTE = re.compile(r"“[^”]*”|\"[^\"]*\"|`[^`]*`|(?<=[\s(])'[^']*'(?=[\s).,?])")

Said = tuple[Level, str, str] | None  # how bad it is, why, and what to write instead


@dataclass(frozen=True)
class Wording:
    """A criterion's question as rules read it."""

    criterion: Criterion

    @cached_property
    def plain(self) -> str:
        """In lower case, with an x for each character that is quoted: what is quoted is an example, and no wording."""
        masked = _QUOTE.sub(lambda match: "x" * len(match[0]), self.criterion.question)
        return masked.lower().replace("’", "'")

    @cached_property
    def main(self) -> str:
        """The part before "that", "which", "how": what follows them is what the answer should hold, and no wording."""
        return _CLAUSE.split(self.plain, maxsplit=1)[0] if HEAD.match(self.plain) else self.plain

    @property
    def text(self) -> str:
        """As it was written, character by character beside `plain`."""
        question = self.criterion.question
        return question if len(question) == len(self.plain) else self.plain


def capital(text: str) -> str:
    """With a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
