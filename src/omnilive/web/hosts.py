"""Under which names this server may be spoken to, and from which pages.

A page of another origin can make a browser send requests here, and with a name that it lets point
to this machine (DNS rebinding) even read the answers. So the Host header must be a name that we
know, and whatever changes something must come from a page that we served.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from omnilive.errors import UsageError

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\.?", re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Authority(NamedTuple):
    """A host in its simplest spelling (IPv6 without brackets), and a port if one was given."""

    host: str
    port: int | None


def parse_authority(text: str) -> Authority | None:
    """Return what a Host header says; None if it is no name or address with an optional port."""
    match = _AUTHORITY.fullmatch(text.strip())
    if match is None:
        return None
    host, port = match["host"].lower(), match["port"]
    if host.startswith("["):
        try:
            host = ipaddress.IPv6Address(host[1:-1]).compressed
        except ValueError:
            return None
    elif not _NAME.fullmatch(host):
        return None
    if port is not None and not 0 < int(port) < 65536:
        return None
    return Authority(host.rstrip("."), int(port) if port is not None else None)


def parse_origin(text: str) -> tuple[str, Authority] | None:
    """Return scheme and authority of an Origin header; None for "null" and what is none."""
    scheme, separator, rest = text.strip().partition("://")
    authority = parse_authority(rest) if separator else None
    if authority is None or scheme.lower() not in _DEFAULT_PORTS:
        return None
    return scheme.lower(), authority


def is_loopback(host: str) -> bool:
    """Whether what is bound to `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """The names a server answers to.

    Args:
        bound: the host it is bound to.
        port: the port it listens on.
        scheme: "http" or "https".
        names: names (with or without a port) that the user allows besides.
        proxied: whether a proxy stands before it, which may speak https and use other ports.

    Raises:
        UsageError: one of the names is none.
    """

    def __init__(
        self, bound: str, port: int, scheme: str, names: Iterable[str] = (), *, proxied: bool
    ) -> None:
        self._port = port
        self._schemes = ("http", "https") if proxied else (scheme,)
        own = parse_authority(f"[{bound}]" if ":" in bound else bound)
        self._bound: set[str] = {own.host} if own is not None else set()
        # A server on all addresses is spoken to by the address that the connection came to.
        self._any = bound in ("", "0.0.0.0", "::")
        if self._any or is_loopback(bound):
            self._bound.update(_LOOPBACK_NAMES)
        self._allowed: list[Authority] = []
        for name in names:
            authority = parse_authority(name)
            if authority is None:
                raise UsageError(
                    f'--allow-host "{name}" is no host name; write it as home.local or '
                    "home.local:8080."
                )
            self._allowed.append(authority)

    def allows_host(self, header: str, reached: str = "") -> bool:
        """Whether a Host header is a name of ours.

        Args:
            header: as it was sent.
            reached: the address of this machine that the connection came to.
        """
        authority = parse_authority(header)
        return authority is not None and any(
            self._allows(authority, scheme, reached) for scheme in self._schemes
        )

    def allows_origin(self, header: str, reached: str = "") -> bool:
        """Whether an Origin header is of a page that we served."""
        origin = parse_origin(header)
        return (
            origin is not None
            and origin[0] in self._schemes
            and self._allows(origin[1], origin[0], reached)
        )

    def _allows(self, authority: Authority, scheme: str, reached: str) -> bool:
        port = authority.port or _DEFAULT_PORTS[scheme]
        if any(authority.host == name.host and name.port in (None, port) for name in self._allowed):
            return True
        own = authority.host in self._bound or (self._any and _same(authority.host, reached))
        return own and port == self._port


def _same(host: str, reached: str) -> bool:
    """Whether a Host is literally the address that was reached (a literal cannot be rebound)."""
    try:
        one, other = ipaddress.ip_address(host), ipaddress.ip_address(reached)
    except ValueError:
        return False
    mapped = getattr(other, "ipv4_mapped", None)
    return one == (mapped or other)
