"""The HTTP application: the routes, the page's files, and the guard before them all."""

from __future__ import annotations

import time
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnilive._version import __version__
from omnilive.web import (
    errors,
    routes_ask,
    routes_clips,
    routes_memory,
    routes_server,
    routes_sessions,
)
from omnilive.web.context import Context
from omnilive.web.metrics import Metrics
from omnilive.web.models import Error
from omnilive.web.security import Guard

_ABOUT = (
    "Watches, listens, remembers and answers. Every request but those for the page needs the "
    "token that `omnilive serve` prints: `Authorization: Bearer TOKEN`, or the cookie that the "
    "printed link gives a browser. Conversations are described in docs/protocol.md."
)
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "Refused, and why."},
    "5XX": {"model": Error, "description": "Failed, and why."},
}


def create_app(context: Context) -> FastAPI:
    """Return the application that serves `context`."""
    app = FastAPI(
        title="OmniLive",
        version=__version__,
        description=_ABOUT,
        docs_url=None,  # its page would be fetched from another host
        redoc_url=None,
        responses=_ERRORS,
        middleware=[
            Middleware(_Counted, metrics=context.metrics),
            Middleware(Guard, hosts=context.hosts, door=context.door, limits=context.limits),
        ],
    )
    app.state.context = context
    errors.install(app)
    for routes in (routes_server, routes_sessions, routes_memory, routes_ask, routes_clips):
        app.include_router(routes.router)
    app.mount("/static", _PageFiles(directory=context.page, check_dir=False), name="static")
    return app


class _PageFiles(StaticFiles):
    """The page's files; a browser asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Counted:
    """Counts requests by the pattern of their route, so that no address gets into the figures."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.monotonic()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            took_s = time.monotonic() - started
            self._metrics.note_request(str(scope["method"]), str(route), status, took_s)
