"""How `omnilive memory stats` is shown: what is kept, what it takes, what goes next."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_REASONS = {
    "days": "by age",
    "budget": "its own budget is full",
    "total": "the whole budget is full",
}


def print_statistics(values: dict[str, Any]) -> None:
    """Print the statistics of a store as tables, widest facts first."""
    console = Console(highlight=False)
    forecast = values["forecast"]
    console.print(Text(_summary(values), style="bold"), soft_wrap=True)
    console.print(Text(_files(values), style="dim"), soft_wrap=True)
    if not values["streams"]:
        console.print("Nothing has been watched yet.")
        return
    console.print(_streams(values["streams"]))
    console.print(_use(forecast["use"]))
    console.print(_levels(values))
    over = [each for each in forecast["use"] if each["over_bytes"]]
    for each in over:
        console.print(
            Text(
                f"{_who(each)} {each['level']}: {size(each['over_bytes'])} over budget; "
                "the oldest goes step by step while something is watched.",
                style="yellow",
            ),
            soft_wrap=True,
        )
    console.print(Text("Next to go" if forecast["next"] else "Nothing is about to go.", "bold"))
    for each in forecast["next"]:
        console.print(
            f"  {_who(each)} {each['level']} of {_minute(each['oldest_at'])}: "
            f"about {_minute(each['goes_at'])} ({_REASONS[each['why']]})",
            soft_wrap=True,
        )


def size(num_bytes: float | None) -> str:
    """Return bytes as people read them; no limit for None."""
    if num_bytes is None:
        return "no limit"
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 99.5 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _summary(values: dict[str, Any]) -> str:
    forecast = values["forecast"]
    text = f"{size(forecast['disk_bytes'])} of {size(forecast['budget_bytes'])}"
    if forecast["bytes_a_day"]:
        text += f"; a day of watching adds {size(forecast['bytes_a_day'])}"
    days = forecast["full_in_days"]
    if days is not None:
        text += "; full" if days == 0 else f"; full after {_days(days)}"
    return text


def _files(values: dict[str, Any]) -> str:
    moments = ", ".join(f"{count} {kind}" for kind, count in values["moments"].items() if count)
    return (
        f"recordings {size(values['recording_bytes'])}, database {size(values['database_bytes'])} "
        f"({size(values['free_bytes'])} of it free), log {size(values['wal_bytes'])}, "
        f"caches {size(values['cache_bytes'])}\n"
        f"{values['clips']} clips ({values['quiet_clips']} quiet), {values['pinned']} pinned; "
        f"moments: {moments or 'none'}; {values['turns']} turns of conversation"
    )


def _streams(streams: list[dict[str, Any]]) -> Table:
    table = _table("stream", "source", "from", "to", "watched", "clips", right=("watched", "clips"))
    for each in streams:
        table.add_row(
            each["name"],
            each["source"],
            _minute(each["first_at"]),
            _minute(each["last_at"]),
            _duration(each["watched_ns"] / 1e9),
            str(each["clips"]),
        )
    return table


def _use(use: list[dict[str, Any]]) -> Table:
    table = _table(
        *("stream", "level", "on disk", "budget", "days", "a day", "full in", "oldest"),
        right=("on disk", "budget", "days", "a day", "full in"),
    )
    for each in use:
        days = each["full_in_days"]
        table.add_row(
            _who(each),
            each["level"],
            size(each["bytes"]),
            size(each["budget_bytes"]),
            "" if each["budget_days"] is None else f"{each['budget_days']:g}",
            "" if each["bytes_a_day"] is None else size(each["bytes_a_day"]),
            "" if days is None else "full" if days == 0 else _days(days),
            _minute(each["oldest_at"]),
        )
    return table


def _levels(values: dict[str, Any]) -> Table:
    table = _table("level", "kept", "on disk", "outlives its parts", right=("kept", "on disk"))
    for each in values["levels"]:
        table.add_row(
            each["name"], str(each["nodes"]), size(each["bytes"]), str(each["faded"] or "")
        )
    return table


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column == "oldest",
        )
    return table


def _who(each: dict[str, Any]) -> str:
    return str(each["stream"]) or "(all)"


def _minute(at: str) -> str:
    """Return a local time to the minute: "2026-05-04 13:05"."""
    return at[:16].replace("T", " ")


def _days(days: float) -> str:
    if days >= 730:
        return f"{days / 365:.0f} years"
    if days >= 2:
        return f"{days:.0f} days" if days >= 10 else f"{days:.1f} days"
    return f"{days * 24:.0f} hours" if days * 24 >= 2 else f"{days * 1440:.0f} min"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
