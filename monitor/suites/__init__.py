"""Held-out test sets: reading them with every fault at once, and saying how healthy they are."""
