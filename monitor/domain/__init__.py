"""Frozen values that every other part speaks in: cases, answers, scores, runs and verdicts."""
