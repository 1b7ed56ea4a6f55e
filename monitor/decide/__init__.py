"""Decisions: pure functions of stored facts and `now`, each of which returns its reason."""
