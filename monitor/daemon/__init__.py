"""`heldout serve`: a scheduler that ticks, one child that measures, delivery, and a page."""
