"""heldout as a systemd service: the files that ship, fitted to an installation, and put where systemd looks."""
