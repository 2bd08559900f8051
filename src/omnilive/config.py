"""Frozen dataclasses to and from TOML: an unknown key, a wrong type or a newer schema is an error.

A stage declares its own `Config` beside the class it builds; `system.Config` nests them. This file
knows none of them. TOML has no null, so a field that may be absent is `str` with "" as "not set".
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from omnilive.errors import ConfigError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, object]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: if it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"Cannot read the configuration {path}: {reason}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def merge(base: T, tables: typing.Mapping[str, object], where: str = "") -> T:
    """Return `base` (a frozen dataclass) with the values of `tables` in place of its own.

    Raises:
        ConfigError: an unknown key (the nearest known one is named) or a value of a wrong type.
    """
    hints = typing.get_type_hints(type(base))
    known = {field.name for field in dataclasses.fields(typing.cast(Any, base))}
    changes: dict[str, object] = {}
    for key, value in tables.items():
        path = f"{where}{key}"
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f'; did you mean "{where}{near[0]}"?' if near else ""
            raise ConfigError(f'Unknown configuration key "{path}"{hint}')
        current = getattr(base, key)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, dict):
                raise ConfigError(f'"{path}" is a table: write [{path}] and its keys below it.')
            changes[key] = merge(current, value, f"{path}.")
        else:
            changes[key] = _checked(path, value, hints[key])
    try:
        return typing.cast(T, dataclasses.replace(typing.cast(Any, base), **changes))
    except ValueError as error:  # a config's own __post_init__ refuses a value
        raise ConfigError(f"Configuration [{where.rstrip('.') or 'top level'}]: {error}") from error


def to_tables(config: object) -> dict[str, object]:
    """Return a frozen dataclass as TOML tables, simple values before nested tables."""
    simple: dict[str, object] = {}
    nested: dict[str, object] = {}
    for field in dataclasses.fields(typing.cast(Any, config)):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            nested[field.name] = to_tables(value)
        else:
            simple[field.name] = list(value) if isinstance(value, tuple) else value
    return simple | nested


def parse_override(text: str) -> dict[str, object]:
    """Return the nested table of one `section.key=value` from the command line.

    The value is read as TOML, and as a plain string where it is not TOML.
    """
    name, equals, raw = text.partition("=")
    parts = [part.strip() for part in name.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f'"{text}" is not of the form section.key=value.')
    try:
        value: object = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    for part in reversed(parts):
        value = {part: value}
    return typing.cast(dict[str, object], value)


def _checked(path: str, value: object, hint: Any) -> object:
    """Return `value` as the field's type, or say what is wanted."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        choices = typing.get_args(hint)
        if value in choices and not isinstance(value, bool):
            return value
        raise ConfigError(f'"{path}" must be one of {", ".join(map(repr, choices))}.')
    if origin is tuple:
        (item, *_) = typing.get_args(hint)
        if isinstance(value, list):
            return tuple(_checked(f"{path}[{i}]", each, item) for i, each in enumerate(value))
        raise ConfigError(f'"{path}" must be a list.')
    if isinstance(hint, types.UnionType):
        raise ConfigError(f'"{path}" cannot be set in a file.')
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    wanted = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    raise ConfigError(f'"{path}" must be {wanted.get(hint, hint.__name__)}.')
