"""At which addresses media may come in: the one place that opens ports beside the HTTP one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

_LOOPBACK = ("127.0.0.1", "::1")


def ice_addresses(bound: str, configured: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the addresses that are offered for media, those of this machine only.

    Args:
        bound: the host that the HTTP server is bound to.
        configured: addresses the user allows; empty means loopback and what the server is bound
            to. A server on loopback offers loopback alone: the browser of this machine reaches it
            from whatever address it has.
    """
    if configured:
        return tuple(dict.fromkeys(configured))
    host = bound.strip("[]")
    if host in ("0.0.0.0", "::", ""):
        return (*_LOOPBACK, *_interface_addresses(ipv6=host != "0.0.0.0"))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _LOOPBACK
    if address.is_loopback:
        return tuple(dict.fromkeys((host, *_LOOPBACK)))
    return (*_LOOPBACK, host)


def _interface_addresses(*, ipv6: bool) -> list[str]:
    from aioice.ice import get_host_addresses

    return get_host_addresses(use_ipv4=True, use_ipv6=ipv6)
