"""Errors in one shape, that of OpenAI's servers: `{"error": {"message", "type", "code", ...}}`."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from omnilive.errors import (
    BackendError,
    MediaError,
    MomentPinned,
    OmniLiveError,
    ProtocolError,
    SessionLimit,
    StoreBusy,
    StoreError,
    UnknownMoment,
    UnknownSession,
    UsageError,
)

log = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_WORDS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
# In order: a class stands before those it derives from.
_STATUS: tuple[tuple[type[OmniLiveError], int, str], ...] = (
    (UnknownMoment, 404, "unknown_moment"),
    (UnknownSession, 404, "unknown_session"),
    (SessionLimit, 429, "session_limit"),
    (StoreBusy, 409, "store_busy"),
    (MomentPinned, 409, "pinned"),
    (StoreError, 503, "store_unusable"),
    (MediaError, 404, "not_playable"),
    (BackendError, 502, "backend_failed"),
    (UsageError, 400, "bad_request"),
    (OmniLiveError, 500, "failed"),
)


class Refusal(OmniLiveError):
    """A request that is refused, with its status.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: a sentence for people.
        param: the parameter that is wrong, if it is one.
        headers: more headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})


def too_many(message: str, wait_s: float) -> Refusal:
    """Return the refusal of somebody who asks too often."""
    wait = {"Retry-After": str(max(1, math.ceil(wait_s)))}
    return Refusal(429, "too_many_requests", message, headers=wait)


def body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Return the JSON of an error."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def answer(error: OmniLiveError) -> JSONResponse:
    """Return the answer to a request that an error ended."""
    if isinstance(error, Refusal):
        content = body(error.status, error.code, str(error), error.param)
        return JSONResponse(content, error.status, error.headers)
    status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
    if isinstance(error, ProtocolError):
        code = error.code
        status = 415 if code == "unsupported_media" else 400
    headers = {"Retry-After": "5"} if status == 429 else None
    return JSONResponse(body(status, code, str(error)), status, headers)


def internal(error: Exception) -> JSONResponse:
    """Return the answer to a fault of ours, and log where it was: never what the error says."""
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)[-3:]
    ]
    log.error("a request failed: %s at %s", type(error).__name__, " < ".join(reversed(places)))
    message = "The server failed on this request; its log says where."
    return JSONResponse(body(500, "internal", message), 500)


def install(app: FastAPI) -> None:
    """Let every error of an application take the one shape."""

    @app.exception_handler(OmniLiveError)
    def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, OmniLiveError)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        # Where it is and what is wrong with it; not the value, which may be what somebody said.
        where = [str(part) for part in first["loc"][1:]]
        name = ".".join(where) or str(first["loc"][0])
        message = f"{name}: {first['msg']}."
        return JSONResponse(body(422, "bad_request", message, name), 422)

    @app.exception_handler(HTTPException)
    def of_framework(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _WORDS.get(error.status_code, "bad_request")
        message = error.detail.rstrip(".") + "."
        if error.status_code == 404:
            message = "There is nothing here; /openapi.json lists what there is."
        return JSONResponse(
            body(error.status_code, code, message), error.status_code, error.headers
        )
