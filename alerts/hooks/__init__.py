"""What asks deployment tooling to roll back or to retrain, and tells it of verdicts: webhooks and commands."""
