"""The public surface of the server: routes, methods, fields. They may be added to, not changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from http_support import client, serving, store_copy, written
from omnilive.web.models import (
    ForgetPreview,
    Forgotten,
    MomentPage,
    MomentView,
    Status,
    StreamView,
    TimelineView,
    TurnView,
    WholeMoment,
)
from omnilive.web.server import Server

ROUTES = {
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/v1/status"),
    ("GET", "/v1/stats"),
    ("GET", "/v1/streams"),
    ("GET", "/v1/timeline"),
    ("GET", "/v1/turns"),
    ("GET", "/v1/moments"),
    ("GET", "/v1/moments/{id}"),
    ("GET", "/v1/moments/{id}/picture.jpg"),
    ("POST", "/v1/moments/{id}/pin"),
    ("DELETE", "/v1/moments/{id}/pin"),
    ("POST", "/v1/moments/{id}/forget"),
    ("POST", "/v1/ask"),
    ("GET", "/v1/clips/{id}.mp4"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("GET", "/v1/sessions/{id}"),
    ("DELETE", "/v1/sessions/{id}"),
    ("POST", "/v1/sessions/{id}/whip"),
    ("PATCH", "/v1/sessions/{id}/whip/{peer}"),
    ("DELETE", "/v1/sessions/{id}/whip/{peer}"),
}
MOMENT = (
    "id clip stream kind start_s end_s at text playable speaker score pinned has_picture picture "
    "media"
)
FIELDS = {
    MomentView: MOMENT,
    WholeMoment: f"{MOMENT} inside",
    MomentPage: "moments next",
    ForgetPreview: "moments num_moments num_clips",
    Forgotten: "forgotten moments clips turns pictures fragments",
    StreamView: "name source live clips watched_s first_at last_at",
    TimelineView: "from to bins clips watched exact",
    TurnView: "turn question answer outcome known redacted at citations",
    Status: "version protocol ready remembers refusal sessions limits leaves_machine",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = store_copy(tmp_path_factory.mktemp("surface"))
    with written(store), serving(store) as made:
        yield made


def test_every_route_stays(server: Server) -> None:
    with client(server) as program:
        paths = program.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found >= ROUTES
    # A new one is public from the day it is there: add it above.
    assert found == ROUTES


@pytest.mark.parametrize("model", FIELDS, ids=lambda model: model.__name__)
def test_every_field_stays(model: type) -> None:
    names = {field.alias or name for name, field in model.model_fields.items()}  # type: ignore[attr-defined]
    assert set(FIELDS[model].split()) <= names
