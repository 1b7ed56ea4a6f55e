"""heldout's daemon side: replays held-out suites against production models and decides whether they dropped."""

__version__ = "0.1.0"
