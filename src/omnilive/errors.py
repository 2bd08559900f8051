"""The error tree: what the user can mend, apart from what we broke (those are assertions).

    OmniLiveError            exit code 1
    |-- UsageError           2   wrong arguments
    |   |-- ConfigError      2   a configuration file or value is wrong
    |   |-- ProtocolError    2   a message of a conversation was not understood
    |   |-- SessionLimit     2   as many conversations are open as may be
    |   `-- UnknownSession   2   no conversation has this id
    |-- MediaError           3   a source could not be read
    |-- StoreError           4   the store could not be used
    |   |-- StoreBusy        4   another process is writing to it
    |   |-- StoreTooNew      4   written by a newer version
    |   |-- UnknownMoment    4   no moment has this id
    |   `-- MomentPinned     4   what shall be forgotten is pinned
    |-- BackendError         5   a recogniser, reader or server failed
    |   |-- CheckpointError  5   the weights of a network are not what they should be
    |   `-- TrainingError    5   a training run cannot go on
    `-- Cancelled            1   a turn was cut while a backend was working

Every message is one sentence that says what is wrong and, where it can, what to do next.
It never holds a password, a transcript or a traceback.
"""

from __future__ import annotations


class OmniLiveError(Exception):
    """Anything a user can be told in one sentence."""

    exit_code = 1


class UsageError(OmniLiveError):
    """The command or the call was not understood."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file, key or value is wrong."""


class ProtocolError(UsageError):
    """A message of a conversation was not understood (`docs/protocol.md`).

    `code` is a word for programs, the text a sentence for people.
    """

    def __init__(self, text: str, code: str = "bad_message") -> None:
        super().__init__(text)
        self.code = code


class SessionLimit(UsageError):
    """As many conversations are open as may be at once."""


class UnknownSession(UsageError):
    """No conversation has the id that was given."""


class MediaError(OmniLiveError):
    """A source could not be opened or read."""

    exit_code = 3


class StoreError(OmniLiveError):
    """The store could not be opened, read or written."""

    exit_code = 4


class StoreBusy(StoreError):
    """Another process is the store's writer."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of this program."""


class UnknownMoment(StoreError):
    """No moment of this store has the id that was given."""


class MomentPinned(StoreError):
    """What shall be forgotten is pinned, and nobody said that it goes too."""

    def __init__(self) -> None:
        super().__init__(
            "What shall be forgotten is pinned, or lies in a pinned clip; "
            "take the pin away first, or say that pinned moments go too (--pinned)."
        )


class BackendError(OmniLiveError):
    """A model or a server that the user chose could not do its work."""

    exit_code = 5


class CheckpointError(BackendError):
    """A network's weights or their configuration are missing, damaged or of another network."""


class TrainingError(BackendError):
    """A training run cannot go on; its last good checkpoint is whole."""


class Cancelled(OmniLiveError):
    """The turn was cut while a backend was working on it."""
