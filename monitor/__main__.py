"""`python -m monitor`: the `heldout` command, for the daemon's child and where no script is installed."""

from monitor.cli import main

main()
