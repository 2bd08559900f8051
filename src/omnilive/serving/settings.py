"""What a person may change while they talk: immutable, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias, get_args

from omnilive.errors import ConfigError

Address: TypeAlias = Literal["always", "wake"]
Language: TypeAlias = Literal["en", "zh"]

_MOST_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one conversation (`docs/protocol.md`).

    Attributes:
        voice: name of the espeak voice that speaks.
        language: of what the system itself says.
        rate_wpm: how fast it speaks, in words a minute.
        speak: answers aloud; in writing only otherwise.
        address: "always": everything said may be for us; "wake": only what follows the wake phrase.
        wake_phrase: the wake phrase.
        hearing: False drops sound where it arrives.
        seeing: False drops pictures where they arrive.
        reading: whether text in the picture is read.
    """

    voice: str = "en-us"
    language: Language = "en"
    rate_wpm: int = 165
    speak: bool = True
    address: Address = "always"
    wake_phrase: str = "hey omni"
    hearing: bool = True
    seeing: bool = True
    reading: bool = True

    def __post_init__(self) -> None:
        if self.language not in get_args(Language):
            raise ConfigError('The language is "en" or "zh".')
        if self.address not in get_args(Address):
            raise ConfigError('The address is "always" or "wake".')
        if not 80 <= self.rate_wpm <= 450:
            raise ConfigError("rate_wpm must be between 80 and 450.")
        for name in ("voice", "wake_phrase"):
            text = getattr(self, name)
            if not text.strip() or len(text) > _MOST_CHARACTERS or not text.isprintable():
                raise ConfigError(f"{name} must be 1 to {_MOST_CHARACTERS} printable characters.")

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """Return these settings with `changes`; names that are no settings are ignored.

        Raises:
            ConfigError: a value has the wrong type or is out of range.
        """
        known: dict[str, object] = {}
        for field in fields(self):
            if field.name not in changes:
                continue
            value = changes[field.name]
            wanted = type(getattr(self, field.name))
            if type(value) is not wanted:
                kind = {"bool": "true or false", "int": "a whole number", "str": "text"}
                raise ConfigError(f"{field.name} must be {kind[wanted.__name__]}.")
            known[field.name] = value
        return replace(self, **known)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """Return the settings by name."""
        return asdict(self)


SETTING_NAMES = tuple(field.name for field in fields(Settings))
