from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import tomli_w

from omnilive.config import merge, parse_override, read_toml, to_tables
from omnilive.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    threshold: float = 0.5
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ("x",)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError("threshold must be between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Outer:
    schema: int = 1
    on: bool = True
    inner: Inner = field(default_factory=Inner)


def test_values_replace_only_what_is_named() -> None:
    merged = merge(Outer(), {"on": False, "inner": {"threshold": 1, "names": ["p", "q"]}})
    assert merged == Outer(on=False, inner=Inner(threshold=1.0, names=("p", "q")))
    assert isinstance(merged.inner.threshold, float)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"inner": {"treshold": 0.1}}, 'Unknown configuration key "inner.treshold"; did you mean'),
        ({"nothing": 1}, 'Unknown configuration key "nothing"'),
        ({"on": 1}, '"on" must be true or false'),
        ({"schema": True}, '"schema" must be a whole number'),
        ({"inner": 3}, "is a table"),
        ({"inner": {"mode": "c"}}, "must be one of 'a', 'b'"),
        ({"inner": {"names": "p"}}, "must be a list"),
        ({"inner": {"names": [1]}}, r"names\[0\]"),
        ({"inner": {"threshold": 2}}, "threshold must be between 0 and 1"),
    ],
)
def test_what_is_wrong_is_named(tables: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        merge(Outer(), tables)


def test_tables_round_trip_through_toml(tmp_path: Path) -> None:
    config = Outer(inner=Inner(threshold=0.25, mode="b", names=()))
    file = tmp_path / "config.toml"
    file.write_text(tomli_w.dumps(to_tables(config)))
    assert merge(Outer(), read_toml(file)) == config


def test_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("a = [1,")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(broken)
    with pytest.raises(ConfigError, match="Cannot read"):
        read_toml(tmp_path / "missing.toml")
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_toml(broken)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("inner.threshold=0.7", {"inner": {"threshold": 0.7}}),
        ("on=false", {"on": False}),
        ("inner.mode=b", {"inner": {"mode": "b"}}),
        ("inner.names=['a','b']", {"inner": {"names": ["a", "b"]}}),
    ],
)
def test_single_settings(text: str, table: dict[str, object]) -> None:
    assert parse_override(text) == table
    assert dataclasses.is_dataclass(merge(Outer(), parse_override(text)))


@pytest.mark.parametrize("text", ["threshold", "=1", "inner..x=1"])
def test_settings_of_the_wrong_form(text: str) -> None:
    with pytest.raises(ConfigError, match="section.key=value"):
        parse_override(text)
