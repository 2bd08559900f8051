"""The command line: arguments and printing, nothing else; every verb calls `omnilive.api`."""

from omnilive.cli.app import main

__all__ = ["main"]
