"""`omnilive memory`: look into a store, keep, export and forget moments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from omnilive import api
from omnilive.cli import options
from omnilive.cli.checking import checking_progress
from omnilive.cli.statistics import print_statistics
from omnilive.cli.view import print_moments
from omnilive.errors import StoreError, UsageError
from omnilive.events import Moment
from omnilive.serving import wire

app = typer.Typer(no_args_is_help=True, help="Look into a memory; keep, export, forget moments.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="Of any moment, as printed anywhere.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]


@app.command()
def stats(store: options.Store = None, as_json: options.AsJson = False) -> None:
    """Show what is remembered and what it takes on disk."""
    with api.open_store(store) as memory:
        values = memory.stats()
    if as_json:
        _print({"event": "stats"} | values)
    else:
        print_statistics(values)


@app.command(name="list")
def list_(
    store: options.Store = None,
    stream: options.Stream = None,
    limit: _Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List the newest moments, oldest first."""
    with api.open_store(store) as memory:
        _show(memory.newest(stream=stream or "", limit=limit), as_json)


@app.command()
def search(
    words: Annotated[str, typer.Argument(help="What to look for.")] = "",
    store: options.Store = None,
    stream: options.Stream = None,
    picture: options.Picture = None,
    limit: _Limit = 10,
    as_json: options.AsJson = False,
) -> None:
    """Find moments by what was said, shown or heard, or by a picture; best first.

    Examples: omnilive memory search "budget yesterday afternoon",
    omnilive memory search --picture empty-hall.jpg
    """
    if not words.strip() and picture is None:
        raise UsageError("There is nothing to look for; give words or --picture FILE.")
    with api.open_store(store) as memory:
        found = memory.search(words, stream=stream or "", limit=limit, picture=picture)
    _show(found, as_json)


@app.command()
def show(moment: _Id, store: options.Store = None, as_json: options.AsJson = False) -> None:
    """Show one moment and the clip that it belongs to."""
    with api.open_store(store) as memory:
        _show(memory.show(moment), as_json)


@app.command()
def export(
    moment: _Id,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: ID.mp4).")
    ] = None,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a moment as a clip that any player plays."""
    with api.open_store(store) as memory:
        written = memory.export(moment, out)
    if as_json:
        _print({"event": "export", "id": moment, "file": str(written)})
    else:
        typer.echo(f"Wrote {written}.")


@app.command()
def pin(
    moment: _Id,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Keep a moment whatever the budget says."""
    with api.open_store(store) as memory:
        memory.pin(moment, keep=not off)
    if as_json:
        _print({"event": "pin", "id": moment, "pinned": not off})
    else:
        typer.echo(f"{moment} is {'no longer ' if off else ''}pinned.")


@app.command()
def forget(
    moment: Annotated[
        str, typer.Argument(metavar="[ID]", help="Of any moment, as printed anywhere.")
    ] = "",
    span: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--span",
            metavar="START END",
            help="What lies between two times (2026-05-01T12:30) or positions (1:30).",
        ),
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", help="Only of this stream; alone: all of it.")
    ] = None,
    query: Annotated[
        str, typer.Option("--query", metavar="WORDS", help="What holds all these words.")
    ] = "",
    pinned: Annotated[bool, typer.Option("--pinned", help="Also what is pinned.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Delete moments and everything derived from them, for good.

    Example: omnilive memory forget --span 2026-05-01T12:30 2026-05-01T13:00 --stream door
    """
    with api.open_store(store) as memory:
        found = memory.would_forget(
            moment, span=span, stream=stream or "", query=query, pinned=pinned
        )
        if not yes and as_json and not moment:
            raise UsageError("With --json nobody is asked; add --yes to forget more than one id.")
        if not yes and not as_json:
            print_moments(memory.show(moment) if moment else found.moments)
            typer.echo(_what_goes(found.num_moments, found.num_clips, len(found.moments)))
            typer.confirm("Forget this for good?", abort=True)
        gone = memory.forget(found)
    if as_json:
        numbers = gone._asdict() | {"event": "forget", "id": moment}
        _print({name: value for name, value in numbers.items() if name != "ids"})
        return
    typer.echo(
        f"{moment} is forgotten."
        if moment
        else f"Forgotten: {gone.moments} moments in {gone.clips} clips, "
        f"{gone.fragments} parts of the recording, {gone.turns} stored answers."
    )
    if gone.kept_pinned:
        typer.echo(f"{gone.kept_pinned} pinned clips stay; --pinned forgets them too.")
    if not gone.wal_truncated:
        typer.echo(
            "omnilive: another process is reading this store, so a copy is left in its log; "
            "it goes when that process has read on.",
            err=True,
        )


@app.command()
def verify(
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not read every recording and every text.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make again what can be made again.")
    ] = False,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Check that a memory holds together; exit code 4 and a list if it does not.

    Example: omnilive memory verify --repair
    """
    with checking_progress(hidden=as_json) as progress:
        if repair:
            done = api.repair_store(store, progress=progress)
            result, lost = done.left, done.lost
            mended = [each for each in done.found if each not in lost]
        else:
            result, lost, mended = api.verify_store(store, quick=quick, progress=progress), (), []
    for event, findings in (("mended", mended), ("lost", lost), ("wrong", result.findings)):
        for finding in findings:
            if as_json:
                _print(
                    {
                        "event": event,
                        "kind": finding.kind,
                        "what": finding.what,
                        "cure": finding.cure.value,
                    }
                )
            else:
                typer.echo(f"{event}: {finding.what} ({finding.cure.value})")
    counts = {"clips": result.clips, "moments": result.moments, "fragments": result.fragments}
    if as_json:
        _print({"event": "verify", "clean": result.is_clean, "quick": result.quick} | counts)
    else:
        state = "is whole" if result.is_clean else f"has {len(result.findings)} faults"
        typer.echo(
            f"The memory {state}: {result.clips} clips, {result.moments} moments, "
            f"{result.fragments} parts of recordings checked."
        )
    if not result.is_clean:
        raise typer.Exit(StoreError.exit_code)


def _what_goes(num_moments: int, num_clips: int, num_shown: int) -> str:
    more = f" (the first {num_shown} are shown)" if num_moments > num_shown else ""
    clips = f" and {num_clips} whole clips" if num_clips else ""
    return f"{num_moments} moments{clips}{more}."


def _show(moments: Sequence[Moment], as_json: bool) -> None:
    if not as_json:
        print_moments(moments)
        return
    for moment in moments:
        _print({"event": "moment", "score": round(moment.score, 4)} | wire.citation(moment))


def _print(value: wire.Json) -> None:
    sys.stdout.write(wire.dumps(value) + "\n")
