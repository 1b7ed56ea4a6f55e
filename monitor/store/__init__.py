"""What is kept: runs, answers, scores, verdicts, alerts and the outbox, in SQLAlchemy Core."""
