"""The verbs, gathered; errors become one sentence on stderr and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from omnilive._version import __version__
from omnilive.cli import ask, demo, doctor, memory, models, serve, settings, talk, train, watch
from omnilive.cli import eval as evaluating
from omnilive.errors import OmniLiveError

app = typer.Typer(
    name="omnilive",
    help="Watches and listens to live streams, remembers them, and answers with the moments "
    "its answers rest on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="watch", epilog=watch.EXAMPLES)(watch.watch)
app.command(name="ask", epilog=ask.EXAMPLES)(ask.ask)
app.command(name="demo", epilog=demo.EXAMPLES)(demo.demo)
app.command(name="doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(name="serve", epilog=serve.EXAMPLES)(serve.serve)
app.command(name="talk", epilog=talk.EXAMPLES)(talk.talk)
app.command(name="train", epilog=train.EXAMPLES)(train.train)
app.add_typer(evaluating.app, name="eval")
app.add_typer(memory.app, name="memory")
app.add_typer(models.app, name="models")
app.add_typer(settings.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"omnilive {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log to stderr (never what was seen or said).")
    ] = False,
) -> None:
    level = logging.DEBUG if verbose else logging.WARNING
    form = "%(levelname)s %(name)s %(message)s"
    # Ours only: what other packages log may hold addresses and headers.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format=form)
    logging.getLogger("omnilive").setLevel(level)


def main() -> None:
    """Run the command line; never show a traceback for what a user can mend."""
    try:
        app()
    except OmniLiveError as error:
        typer.echo(f"omnilive: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Who read our output has gone; Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
