"""`python -m omnilive`."""

from omnilive.cli import main

main()
