"""The server as the one that writes: sessions, keeping and forgetting, who may write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from http_support import TOKEN, WRITER, client, code_of, serving, store_copy, written
from omnilive import api
from omnilive.errors import UsageError
from omnilive.memory.lock import WriterLock
from omnilive.memory.store import Store
from omnilive.presets import embedded
from omnilive.web.server import Server
from omnilive.web.webrtc import Answer
from web_support import PATIENCE_S, RtcPage, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config = embedded()
    config = replace(config, live=replace(config.live, max_sessions=2))
    with serving(store_copy(tmp_path), config=config) as made:
        yield made


@pytest.fixture
def program(server: Server) -> Iterator[httpx.Client]:
    with client(server) as made:
        yield made


def socket_of(server: Server, session: str, **headers: str) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{server.port}/v1/sessions/{session}/ws?microphone=0&camera=0",
        additional_headers={"Authorization": f"Bearer {TOKEN}"} | headers,
        proxy=None,
    )


def received(socket: ClientConnection, event: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    while True:
        frame = socket.recv(timeout=PATIENCE_S)
        if isinstance(frame, str):
            message: dict[str, Any] = json.loads(frame)
            if message["event"] == event:
                return message


def open_session(program: httpx.Client, name: str = "") -> str:
    answer = program.post("/v1/sessions", json={"name": name} if name else {})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# --- sessions ----------------------------------------------------------------------------


def test_sessions_open_up_to_the_limit_and_end(program: httpx.Client) -> None:
    opened = program.post("/v1/sessions", json={"name": "kitchen"}).json()
    assert opened["stream"] == "kitchen"
    assert opened["protocol"] == 1
    assert opened["limits"]["sessions"] == 2
    assert opened["settings"]["language"] == "en"
    second = program.post("/v1/sessions").json()
    assert second["id"] != opened["id"]
    refused = program.post("/v1/sessions", json={})
    assert (refused.status_code, code_of(refused)) == (429, "session_limit")
    assert int(refused.headers["retry-after"]) > 0
    listed = program.get("/v1/sessions").json()["sessions"]
    assert [each["id"] for each in listed] == [opened["id"], second["id"]]
    assert program.get(f"/v1/sessions/{opened['id']}").json()["stream"] == "kitchen"
    assert program.get("/v1/status").json()["sessions"] == 2
    assert program.delete(f"/v1/sessions/{opened['id']}").status_code == 204
    gone = program.delete(f"/v1/sessions/{opened['id']}")
    assert (gone.status_code, code_of(gone)) == (404, "unknown_session")
    assert program.post("/v1/sessions", json={}).status_code == 201


def test_a_hundred_tabs_do_no_harm(program: httpx.Client) -> None:
    codes = [program.post("/v1/sessions", json={}).status_code for _ in range(100)]
    assert codes[:2] == [201, 201]
    assert set(codes[2:]) == {429}
    assert program.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["a/b", "x" * 101, "new\nline"])
def test_names_that_are_none(program: httpx.Client, name: str) -> None:
    answer = program.post("/v1/sessions", json={"name": name})
    assert answer.status_code in (400, 422)
    assert code_of(answer) == "bad_request"


def test_one_name_at_a_time(program: httpx.Client) -> None:
    open_session(program, "kitchen")
    assert program.post("/v1/sessions", json={"name": "kitchen"}).status_code == 400


def test_offers_that_are_none(program: httpx.Client) -> None:
    session = open_session(program)
    whip = f"/v1/sessions/{session}/whip"
    sdp = {"Content-Type": "application/sdp"}
    for content in (b"", b"hello", b"v=0\r\n", b"\xff\xfe", b"v=0\r\nm=" + b"x" * 5000):
        answer = program.post(whip, content=content, headers=sdp)
        assert answer.status_code in (400, 415), content[:20]
        code_of(answer)
    assert program.post(whip, content=b"v=0" * 30_000, headers=sdp).status_code == 413
    assert program.post(whip, json={"sdp": "v=0"}).status_code == 415
    for peer in ("nobody", "a" * 300):
        fragment = {"Content-Type": "application/trickle-ice-sdpfrag"}
        answer = program.patch(f"{whip}/{peer}", content=b"a=x", headers=fragment)
        assert answer.status_code in (404, 405)
        assert program.delete(f"{whip}/{peer}").status_code in (404, 405)


def test_a_session_speaks_over_a_websocket(program: httpx.Client, server: Server) -> None:
    session = open_session(program, "desk")
    with socket_of(server, session) as socket:
        hello = received(socket, "hello")
        assert hello["session"] == session
        assert hello["stream"] == "desk"
        socket.send(json.dumps({"command": "ask", "text": "what was said?"}))
        answer = received(socket, "answer")
        assert answer["citations"]
        assert program.delete(f"/v1/sessions/{session}").status_code == 204
        received(socket, "bye")


def test_sockets_of_strangers_are_refused(program: httpx.Client, server: Server) -> None:
    session = open_session(program)
    for headers, status in (
        ({"Authorization": "Bearer wrong-wrong-wrong"}, 401),
        ({"Origin": "http://evil.example"}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            socket_of(server, session, **headers)
        assert refused.value.response.status_code == status
    with pytest.raises(InvalidStatus) as refused:
        socket_of(server, "nobody")
    assert refused.value.response.status_code == 404


# --- keeping and forgetting ----------------------------------------------------------------


def test_pinning_and_forgetting_while_we_write(program: httpx.Client, server: Server) -> None:
    session = open_session(program)
    moment = program.get("/v1/moments", params={"kind": "speech"}).json()["moments"][0]
    path = f"/v1/moments/{moment['id']}"
    assert program.post(f"{path}/pin").json() == {"id": moment["id"], "pinned": True}
    assert program.get(path).json()["pinned"] is True
    refused = program.post(f"{path}/forget")
    assert (refused.status_code, code_of(refused)) == (409, "pinned")
    assert program.delete(f"{path}/pin").json()["pinned"] is False
    assert program.get(path).json()["pinned"] is False
    # It is being played, and pages are looking.
    assert program.get(moment["media"]).status_code == 200
    picture = program.get(moment["picture"])
    assert server.context.clips.num_bytes > 0
    preview = program.post(f"{path}/forget", params={"preview": 1}).json()
    assert [each["id"] for each in preview["moments"]] == [moment["id"]]
    assert program.get(path).status_code == 200
    with socket_of(server, session) as socket:
        received(socket, "hello")
        gone = program.post(f"{path}/forget").json()
        assert gone["forgotten"] == [moment["id"]]
        assert gone["moments"] == 1
        assert received(socket, "forgotten")["moments"] == [moment["id"]]
    assert server.context.clips.num_bytes == 0
    for address in (path, moment["media"], f"{path}/picture.jpg"):
        assert program.get(address).status_code == 404, address
    assert picture.headers["cache-control"] == "private, no-cache"
    again = program.post(f"/v1/moments/{moment['id']}/forget")
    assert (again.status_code, code_of(again)) == (404, "unknown_moment")


def test_a_clip_that_is_being_sent_stops_when_it_is_forgotten(
    program: httpx.Client, server: Server
) -> None:
    moment = program.get("/v1/moments", params={"kind": "speech"}).json()["moments"][0]
    with server.context.memories.looking() as memory:
        clip = server.context.clips.get(memory, moment["id"])
    with clip:
        assert len(clip.read(0, 100)) == 100
        program.post(f"/v1/moments/{moment['clip']}/forget")
        assert clip.read(0, 100) == b""


def test_what_another_process_forgets_leaves_the_cache(
    program: httpx.Client, server: Server
) -> None:
    moment = program.get("/v1/moments", params={"kind": "speech"}).json()["moments"][0]
    program.get(moment["media"])
    assert server.context.clips.num_bytes > 0
    with api.open_store(server.store) as memory:
        memory.forget(moment["id"])
    assert program.get(moment["media"]).status_code == 404
    wait_for(lambda: server.context.clips.num_bytes == 0)


def test_forgetting_a_clip_forgets_what_lies_in_it(program: httpx.Client) -> None:
    moment = program.get("/v1/moments", params={"kind": "speech"}).json()["moments"][0]
    inside = program.get(f"/v1/moments/{moment['clip']}").json()["inside"]
    preview = program.post(f"/v1/moments/{moment['clip']}/forget?preview=1").json()
    assert preview["num_clips"] == 1
    assert preview["num_moments"] == len(inside)
    gone = program.post(f"/v1/moments/{moment['clip']}/forget").json()
    assert {each["id"] for each in inside} | {moment["clip"]} <= set(gone["forgotten"])
    assert gone["clips"] == 1
    listed = program.get("/v1/moments", params={"limit": 200}).json()["moments"]
    assert moment["clip"] not in {each["clip"] for each in listed}


def test_turns_stay_for_a_reload_and_lose_their_words_with_what_they_rest_on(
    program: httpx.Client,
) -> None:
    def turns() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = program.get("/v1/turns?limit=200").json()["turns"]
        return found

    before = len(turns())  # other tests may have asked the world that this store is a copy of
    asked = program.post(
        "/v1/ask", json={"question": "what was said?"}, headers={"Accept": "application/json"}
    ).json()
    wait_for(lambda: turns()[before:])
    (turn,) = turns()[before:]
    assert turn["answer"] == asked["answer"]
    assert [each["id"] for each in turn["citations"]] == [each["id"] for each in asked["citations"]]
    program.post(f"/v1/moments/{asked['citations'][0]['id']}/forget")
    (turn,) = turns()[before:]
    assert turn["redacted"] is True
    assert turn["question"] == turn["answer"] == ""


# --- whose turn it is to write --------------------------------------------------------------


def test_who_wrote_and_has_gone_is_replaced(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    lock = WriterLock(store)
    lock.acquire(WRITER, 0)
    with serving(store) as server, client(server) as program:
        assert program.get("/v1/status").json()["remembers"] is False
        assert program.post("/v1/sessions", json={}).status_code == 409
        lock.release()
        assert program.post("/v1/sessions", json={}).status_code == 201
        status = program.get("/v1/status").json()
        assert (status["remembers"], status["refusal"]) == (True, "")


def test_a_store_is_made_where_there_is_none(tmp_path: Path) -> None:
    with serving(tmp_path / "new") as server, client(server) as program:
        assert program.get("/v1/moments").json() == {"moments": [], "next": None}
        assert program.get("/v1/streams").json() == {"streams": []}
        line = program.get("/v1/timeline", params={"bins": 4}).json()
        assert [each["clips"] for each in line["bins"]] == [0] * 4
        wait_for(lambda: program.get("/ready").status_code == 200)


def test_ending_lets_go_of_everything(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with serving(store) as server, client(server) as program:
        with socket_of(server, open_session(program)) as socket:
            received(socket, "hello")
            server.stop()
            assert received(socket, "bye")["reason"]
        with pytest.raises(httpx.TransportError):
            program.get("/health")
        assert not server.context.clips.folder.exists()
    with Store.open(store, write=True):
        pass
    # The port is free again, and the server is gone for good.
    with serving(store, port=server.port) as again:
        assert again.port == server.port


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with written(store), serving(store) as server:
        with (
            pytest.raises(UsageError, match=f"Port {server.port} is in use"),
            serving(store, port=server.port),
        ):
            pass
        with (
            pytest.raises(UsageError, match="cannot be listened on"),
            serving(store, host="192.0.2.1", own_tls=True, tls_folder=tmp_path / "tls"),
        ):
            pass


# --- WebRTC by WHIP -------------------------------------------------------------------------


class Whip:
    """Offers over HTTP, as a page does; stands where `RtcPage` expects the peers."""

    def __init__(self, program: httpx.Client) -> None:
        self._program = program
        self.location = ""

    def offer(self, session: str, sdp: str) -> Answer:
        answer = self._program.post(
            f"/v1/sessions/{session}/whip", content=sdp, headers={"Content-Type": "application/sdp"}
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"].startswith("application/sdp")
        self.location = answer.headers["location"]
        assert self.location.startswith(f"/v1/sessions/{session}/whip/")
        return Answer(answer.text, self.location.rsplit("/", 1)[1])


def test_webrtc_by_whip_and_a_reload(program: httpx.Client) -> None:
    session = open_session(program, "desk")
    first, second = Whip(program), Whip(program)
    page = RtcPage(first, session)  # type: ignore[arg-type]
    try:
        assert page.messages[0]["event"] == "hello"
        assert page.messages[0]["session"] == session
        assert program.get(f"/v1/sessions/{session}").json()["client"] == "webrtc"
        fragment = {"Content-Type": "application/trickle-ice-sdpfrag"}
        refused = program.patch(first.location, content=b"nonsense", headers=fragment)
        assert refused.status_code == 400
        other = open_session(program)
        elsewhere = first.location.replace(session, other)
        assert program.delete(elsewhere).status_code == 404
        # The page is loaded again: the session goes on, the earlier connection ends.
        again = RtcPage(second, session)  # type: ignore[arg-type]
        try:
            wait_for(lambda: [each for each in page.messages if each["event"] == "bye"])
            wait_for(lambda: program.delete(first.location).status_code == 404)
            assert program.delete(second.location).status_code == 204
            wait_for(lambda: program.get(f"/v1/sessions/{session}").json()["client"] is None)
        finally:
            again.close()
    finally:
        page.close()
