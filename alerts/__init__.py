"""Alerts: what is said, to whom, and how it gets there; a leaf that knows nothing of the daemon."""
