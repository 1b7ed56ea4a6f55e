"""Replays a suite against a target: what is still to ask, within the provider's limits, with bounded retries."""
