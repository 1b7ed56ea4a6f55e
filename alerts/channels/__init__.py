"""The ways out: one file a channel, each the only one that imports its vendor's SDK."""
