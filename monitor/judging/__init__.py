"""Judging stored answers: what is still to be judged, by whom, as of when, and whether the judges can be trusted."""
