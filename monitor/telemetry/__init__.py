"""What Prometheus scrapes, computed from the database each time: restarts and child processes lose no counts."""
