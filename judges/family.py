"""Which family of models a model belongs to, by its name."""

from __future__ import annotations

import re

UNKNOWN = "unknown"

_NAMES = {
    "openai": "gpt chatgpt o1 o3 o4 davinci babbage codex",
    "anthropic": "claude",
    "gemini": "gemini gemma palm",
    "llama": "llama codellama tinyllama vicuna",
    "mistral": "mistral mixtral ministral codestral magistral devstral pixtral voxtral mathstral",
    "qwen": "qwen qwq qvq codeqwen",
    "deepseek": "deepseek",
    "grok": "grok",
    "cohere": "cohere command c4ai aya",
    "phi": "phi",
    "nova": "nova titan",
    "granite": "granite",
    "glm": "glm chatglm",
    "kimi": "kimi moonshot",
    "yi": "yi",
    "falcon": "falcon",
    "olmo": "olmo",
    "jamba": "jamba",
    "smollm": "smollm",
}
# Models of other makers whose names begin as one of these does.
_OTHERS = "gptj gpt-j gpt-neo gpt-neox gpt4all"
_BY_NAME = {name: family for family, names in _NAMES.items() for name in names.split()}
_BY_NAME |= dict.fromkeys(_OTHERS.split(), UNKNOWN)
_LONGEST_FIRST = "|".join(sorted(map(re.escape, _BY_NAME), key=len, reverse=True))
# What follows a name may be a version without a mark between them: llama3, gpt4o, qwen2.5.
_PATTERN = re.compile(rf"(?<![a-z0-9])({_LONGEST_FIRST})(?:v?[0-9][a-z0-9]*)?(?![a-z0-9])")


def family(provider: str, model: str) -> str:
    """The family of `model` as asked for at `provider`, `UNKNOWN` where its name tells none.

    The name after the last slash comes first, then what stands before it; the first family named counts, so a model
    distilled from another into a third is of the first. A fine-tune belongs to what it was tuned from. Any compatible
    server can stand behind the provider `openai`, so only the provider `anthropic` tells a family by itself.
    """
    name = model.lower()
    if name.startswith("ft:"):
        name = name.split(":")[1]
    for part in (name.rpartition("/")[2], name):
        found = _PATTERN.search(part)
        if found is not None:
            return _BY_NAME[found[1]]
    return "anthropic" if provider == "anthropic" else UNKNOWN
