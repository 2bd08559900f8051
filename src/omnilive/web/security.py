"""What every request passes before anything else sees it: host, origin, token, rate, size.

It stands outside the routes, so a new route is guarded without anybody thinking of it; only the
paths in `PUBLIC` are open to those without a token, and those only look.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnilive.errors import OmniLiveError
from omnilive.web import errors
from omnilive.web.door import Door
from omnilive.web.errors import Refusal, too_many
from omnilive.web.hosts import AllowedHosts
from omnilive.web.limits import Buckets, RequestLimits, class_of

PUBLIC = frozenset({"/", "/health", "/ready"})
PUBLIC_FOLDER = "/static/"
LOGIN = "/login"

_CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # a route that knows better says so itself
}


class Guard:
    """The middleware.

    Args:
        app: what it guards.
        hosts: the names it may be spoken to by.
        door: who may come in.
        limits: how much one client may ask for.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: AllowedHosts, door: Door, limits: RequestLimits
    ) -> None:
        self._app = app
        self._hosts, self._door, self._limits = hosts, door, limits
        self._buckets = Buckets(limits.rates())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        out = _Answer(send)
        try:
            response = self._admit(scope)
        except OmniLiveError as error:
            response = errors.answer(error)
        if response is not None:
            await response(scope, receive, out.send)
            return
        if scope["type"] == "http":
            receive = self._bounded(receive)
        try:
            await self._app(scope, receive, out.send)
        except Exception as error:  # must not reach a log with what it says
            failed = errors.internal(error)
            if not out.started:
                await failed(scope, receive, out.send)

    def _admit(self, scope: Scope) -> Response | None:
        """Return None to let a request pass, or its answer; raise to refuse it."""
        headers = Headers(scope=scope)
        method = "GET" if scope["type"] == "websocket" else str(scope["method"])
        path, address = str(scope["path"]), client_address(scope)
        self._check_where_from(scope, headers, method)
        self._check_length(headers)
        if path == LOGIN and method == "POST":
            self._draw(address, method, path)
            return None
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if path == "/" and method == "GET" and "token" in query:
            return self._door.follow(query["token"][0], headers, address)
        if path in PUBLIC or path.startswith(PUBLIC_FOLDER):
            if method not in ("GET", "HEAD"):
                raise Refusal(405, "method_not_allowed", "This can only be read.")
            self._draw(address, method, path)
            return None
        self._draw(self._door.identify(headers, address), method, path)
        return None

    def _check_where_from(self, scope: Scope, headers: Headers, method: str) -> None:
        reached = str((scope.get("server") or ("",))[0])
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allows_host(hosts[0], reached):
            raise Refusal(
                421,
                "forbidden_host",
                "This server does not answer to that name; start it with --allow-host NAME.",
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = Refusal(403, "forbidden_origin", "Pages of other origins may not ask here.")
        # Under "no-referrer" a browser sends "null" even to the page's own origin.
        ours = origin is None or (origin == "null" and site == "same-origin")
        if not ours and not self._hosts.allows_origin(str(origin), reached):
            raise foreign
        followed = (
            method == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        # A link that somebody follows may come from anywhere; everything else from our page.
        if site not in ("none", "same-origin") and not followed:
            raise foreign

    def _draw(self, client: str, method: str, path: str) -> None:
        wait_s = self._buckets.draw(client, class_of(method, path))
        if wait_s:
            raise too_many("That is too many requests at once; ask more slowly.", wait_s)

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        most = self._limits.body_bytes
        if not length.isdecimal() or len(length) > 18 or int(length) > most:
            raise Refusal(413, "too_large", _too_large(most))

    def _bounded(self, receive: Receive) -> Receive:
        """Let a body whose length was not told be read up to the limit."""
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._limits.body_bytes:
                    raise HTTPException(413, _too_large(self._limits.body_bytes))
            return message

        return bounded


class _Answer:
    """Adds the security headers to an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        self.started = True
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _too_large(most: int) -> str:
    return f"The body is longer than {most} bytes."


def client_address(scope: Scope) -> str:
    """Return the address a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else ""
