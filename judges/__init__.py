"""Rubric-based LLM judges: a leaf package that knows nothing of the daemon. It is empty in this version."""
