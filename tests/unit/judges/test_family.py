"""Models are of the family that their names tell, and of none where they tell none."""

from __future__ import annotations

import pytest

from judges.family import UNKNOWN, family

NAMES = [
    ("openai", "gpt-4o-mini", "openai"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:llama-farm::abc123", "openai"),
    ("openai", "chatgpt-4o-latest", "openai"),
    ("openai", "o3-mini", "openai"),
    ("openai", "openai/gpt-oss-120b", "openai"),
    ("anthropic", "claude-sonnet-4-5", "anthropic"),
    ("openai", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic"),
    ("anthropic", "house-model", "anthropic"),
    ("openai", "meta-llama/Llama-3.3-70B-Instruct", "llama"),
    ("openai", "us.meta.llama3-1-70b-instruct-v1:0", "llama"),
    ("openai", "llama3.1:8b", "llama"),
    ("openai", "mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
    ("openai", "dolphin-2.9-mistral-7b", "mistral"),
    ("openai", "Qwen/Qwen2.5-0.5B-Instruct", "qwen"),
    ("openai", "qwq-32b", "qwen"),
    ("openai", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek"),
    ("openai", "models/gemini-2.5-flash", "gemini"),
    ("openai", "google/gemma-3-12b-it", "gemini"),
    ("openai", "microsoft/phi-4", "phi"),
    ("openai", "command-r-plus", "cohere"),
    ("openai", "EleutherAI/gpt-neox-20b", UNKNOWN),
    ("openai", "gpt-j-6b", UNKNOWN),
    ("openai", "support-bot", UNKNOWN),
    ("openai", "delphi-7b", UNKNOWN),
    ("openai", "ft:", UNKNOWN),
    ("http", "", UNKNOWN),
]


@pytest.mark.parametrize(("provider", "model", "wanted"), NAMES)
def test_the_family_of(provider, model, wanted):
    assert family(provider, model) == wanted
