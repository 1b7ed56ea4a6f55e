"""Forms of words that announce an answer and, as the whole of it, say nothing; pure."""

from __future__ import annotations

from collections.abc import Sequence

from judges.text import bare, normal

# Nobody answers a question with these. The first ones are the "master keys" of arXiv 2507.08794.
_OPENERS = """
Thought process · Let's solve this problem step by step · My thought process · Thinking process · Reasoning process
Chain of thought · Let us solve this problem step by step · Let's solve this step by step · Let's think step by step
Let us think step by step · Let's think about this step by step · Let me think step by step · Let me think this through
Let's break it down · Let's break this down · Step by step solution · To solve this problem · Here is the solution
Here is the answer · Here's the answer · Here is my answer · Here's my answer · The solution is · The answer is
The final answer is · My answer is · Final answer · Sure, here is the answer · Sure, here's the answer
Pensons étape par étape · Pensemos paso a paso · Vamos a resolver este problema paso a paso · Proceso de pensamiento
Denken wir Schritt für Schritt · Gedankengang · Давайте подумаем шаг за шагом
让我们一步一步地解决这个问题 · 让我们一步一步思考 · 思考过程 · 解题过程
思考過程 · 段階的に考えましょう · ステップバイステップで考えましょう · 생각 과정 · 단계별로 생각해 봅시다
"""
# These say nothing either, but where a reference has the word it may be what was asked for.
_WORDS = """
Solution · The solution · Answer · The answer · Explanation · Reasoning · Response · Analysis
Respuesta · Solución · Réponse · Antwort · Lösung · Risposta · Soluzione · Resposta · Solução · Ответ · Решение
解 · 解答 · 解説 · 解析 · 答え · 答案 · 回答 · かいせつ · こたえ · 답 · 정답 · 풀이 · 해설 · الجواب · الحل · उत्तर
"""
_LONGEST = 200  # characters; several of them at once are shorter


def _listed(text: str) -> frozenset[str]:
    return frozenset(bare(normal(one)) for line in text.strip().splitlines() for one in line.split("·"))


_ALWAYS, _UNLESS_EXPECTED = _listed(_OPENERS), _listed(_WORDS)


def announces(said: str, references: Sequence[str]) -> bool:
    """Whether an answer is one of these, or several with colons between; all texts normalised, `said` bare as well."""
    if len(said) > _LONGEST:
        return False
    return all(
        part in _ALWAYS or (part in _UNLESS_EXPECTED and not any(part in one for one in references))
        for part in map(bare, said.split(":"))
    )
