"""What the user named as a source: a file, a network address or a camera of this machine.

The address may hold a password, so it never leaves this package: everything that is shown,
stored or logged uses `Source.shown`, and text of unknown origin (FFmpeg puts whole URLs into
its exceptions) goes through `scrub` first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from omnilive.errors import MediaError

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps")

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_DEVICE = re.compile(r"^/dev/video\d+$")
# Keys of a query whose value opens a door. Matched anywhere in the key: "authToken", "x-api-key".
_SECRET_KEY = re.compile(
    r"tok|key|pass|pwd|auth|sig|secret|cred|session|hash|hmac|jwt|^(user|usr|login|u|p|sid|st|sv)$",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")
_LONGEST_NAME = 80
_HIDDEN = "***"
_SHORTEST_SECRET = 3


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a stream comes from.

    Attributes:
        kind: "file", "network" or "device".
        address: what is opened; may hold a password, hence not part of `repr`.
        shown: the same without user name, password and secret query values.
    """

    kind: Literal["file", "network", "device"]
    address: str = field(repr=False)
    shown: str

    @property
    def scheme(self) -> str:
        """The scheme of a network address in lower case; "" for anything else."""
        return self.address.split("://", 1)[0].lower() if self.kind == "network" else ""

    @property
    def name(self) -> str:
        """A short name for a stream of this source: the file's, or host and path."""
        if self.kind == "network":
            parts = urlsplit(self.shown)
            last = unquote(parts.path.rstrip("/").rpartition("/")[2])
            name = f"{parts.hostname or ''} {last}".strip()
        else:
            name = Path(self.address).stem
        return _UNPRINTABLE.sub("_", name)[:_LONGEST_NAME] or "stream"


def parse_source(text: str) -> Source:
    """Return the source that `text` names.

    Raises:
        MediaError: the scheme of the address is not one that can be watched.
    """
    if _DEVICE.match(text):
        return Source(kind="device", address=text, shown=text)
    match = _SCHEME.match(text)
    # One letter before the colon is a drive, and "a:b.mp4" without slashes is a file name.
    if match is None or len(match[1]) == 1 or (match[2] is None and match[1].lower() != "file"):
        return _file(text)
    scheme = match[1].lower()
    if scheme == "file":
        return _file(unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", text, flags=re.I)))
    if scheme not in SCHEMES:
        raise MediaError(
            f"Addresses that begin with {scheme}:// cannot be watched; "
            f"use a file or one of {', '.join(f'{name}://' for name in SCHEMES)}."
        )
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host:
        raise MediaError(
            f"The {scheme} address has no valid host and port; write it as {scheme}://host/path "
            "(in a user name or password, write @ as %40, : as %3A and / as %2F)."
        )
    return Source(kind="network", address=text, shown=redact(text))


def redact(url: str) -> str:
    """Return `url` without user name, password and query values that look secret."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return _USER_INFO.sub("", url).split("?", 1)[0]
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if any(_SECRET_KEY.search(key) for key, _ in pairs):
        query = urlencode(
            [(key, _HIDDEN if _SECRET_KEY.search(key) else value) for key, value in pairs],
            safe="*",
        )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def scrub(text: str, source: Source) -> str:
    """Return `text` without the raw address of `source` and without its secrets."""
    if source.kind != "network":
        return text
    text = text.replace(source.address, source.shown)
    for secret in sorted(_secrets(source.address), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _USER_INFO.sub("", text)


def _file(text: str) -> Source:
    path = Path(text).expanduser()
    return Source(kind="file", address=str(path.absolute()), shown=str(path))


def _secrets(address: str) -> set[str]:
    """Return every spelling of the secrets in a network address that an error might show."""
    parts = urlsplit(address)
    user_info, _, _ = parts.netloc.rpartition("@")
    user, _, password = user_info.partition(":")
    raw = {user_info, password, unquote(password), unquote(user_info)}
    # A user name alone ("admin") may be a word of the sentence, so it only goes with its colon.
    if user:
        raw.add(f"{user}:")
    for pair in parts.query.split("&"):
        key, _, value = pair.partition("=")
        if _SECRET_KEY.search(unquote(key)):
            raw |= {value, unquote(value)}
    spelled = set(raw)
    for secret in raw:
        spelled |= {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret for secret in spelled if len(secret) >= _SHORTEST_SECRET}
