"""Rubric-based LLM judges: a leaf package that knows nothing of the daemon, and asks a model by one small protocol."""
