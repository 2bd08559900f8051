"""The server itself: the page, coming in, how it is, its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.responses import JSONResponse, Response

from omnilive._version import __version__
from omnilive.errors import OmniLiveError
from omnilive.serving.messages import PROTOCOL
from omnilive.web.context import Context, Served
from omnilive.web.errors import Refusal
from omnilive.web.metrics import CONTENT_TYPE
from omnilive.web.models import LoginRequest, Readiness, Status
from omnilive.web.security import client_address

router = APIRouter(tags=["server"])


@router.get("/", include_in_schema=False)
def show_page(served: Served) -> Response:
    """Return the page; it needs no token, what it shows does."""
    index = served.page / "index.html"
    if not index.is_file():
        raise Refusal(404, "not_found", "This installation has no page; install it again.")
    return FileResponse(index, headers={"Cache-Control": "no-cache"})


@router.post("/login", status_code=204, response_class=Response)
def log_in(wanted: LoginRequest, request: Request, served: Served) -> Response:
    """Exchange the token for a cookie."""
    return served.door.log_in(wanted.token.strip(), request.headers, client_address(request.scope))


@router.post("/logout", status_code=204, response_class=Response)
def log_out(request: Request, served: Served) -> Response:
    """Take this browser's cookie back."""
    return served.door.log_out(request.headers)


@router.get("/health")
def show_health() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"model": Readiness, "description": "Not yet, and why."}})
def show_readiness(served: Served) -> Response:
    """Say whether it can serve: models loaded, store readable."""
    reasons = _reasons(served)
    content = Readiness(ready=not reasons, reasons=reasons).model_dump()
    return JSONResponse(content, 503 if reasons else 200)


@router.get("/metrics", response_class=Response)
def show_metrics(served: Served) -> Response:
    """Return figures for Prometheus."""
    return Response(served.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/v1/status")
def show_status(served: Served) -> Status:
    """Say what this server can do now."""
    house = served.house
    return Status(
        version=__version__,
        protocol=PROTOCOL,
        ready=not _reasons(served),
        remembers=house.remembers,
        refusal=house.refusal,
        sessions=len(house.open_ones()),
        limits={"sessions": served.config.live.max_sessions},
        leaves_machine=list(served.leaves_machine),
    )


def _reasons(served: Context) -> list[str]:
    reasons = served.house.reasons()
    try:
        with served.memories.looking() as memory:
            _ = memory.store.database.generation
    except OmniLiveError as error:
        reasons.append(str(error))
    return reasons
