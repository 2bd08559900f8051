"""The memory over HTTP, of a store that another process writes: looking, playing, bad requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from http_support import client, code_of, serving, sse, store_copy, written
from omnilive import api
from omnilive.memory.moments import KINDS
from omnilive.web.server import Server
from web_support import wait_for
from world_support import video, watched


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = store_copy(tmp_path_factory.mktemp("looked-at"))
    with written(store), serving(store) as made:
        yield made


@pytest.fixture
def program(server: Server) -> Iterator[httpx.Client]:
    with client(server) as made:
        yield made


def moments(program: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = program.get("/v1/moments", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["moments"]
    return found


# --- listing and searching ---------------------------------------------------------------


def test_moments_come_page_by_page_newest_first(program: httpx.Client) -> None:
    with api.open_store(watched()) as memory:
        everything = [each.id for each in memory.newest(limit=1000)][::-1]
    listed: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = program.get("/v1/moments", params={"limit": 4, "cursor": cursor}).json()
        listed += page["moments"]
        if page["next"] is None:
            break
        assert len(page["moments"]) == 4
        cursor = page["next"]
    assert len(listed) == len(everything)
    assert {each["id"] for each in listed} == set(everything)
    starts = [each["at"] for each in listed]
    assert starts == sorted(starts, reverse=True)
    speech = next(each for each in listed if each["kind"] == "speech")
    assert speech["speaker"] == "ambient"
    assert speech["media"] == f"/v1/clips/{speech['id']}.mp4"
    assert program.get(speech["picture"]).headers["content-type"] == "image/jpeg"


def test_moments_of_kinds_and_times(program: httpx.Client) -> None:
    everything = moments(program, limit=200)
    for kind in KINDS:
        wanted = [each["id"] for each in everything if each["kind"] == kind]
        assert [each["id"] for each in moments(program, kind=kind, limit=200)] == wanted
    two = [each["id"] for each in everything if each["kind"] in ("speech", "sound")]
    assert [each["id"] for each in moments(program, kind="speech, sound", limit=200)] == two
    middle = everything[len(everything) // 2]["at"]
    before = moments(program, before=middle, limit=200)
    after = moments(program, after=middle, limit=200)
    assert [each["id"] for each in after + before] == [each["id"] for each in everything]
    assert all(each["at"] < middle for each in before)
    stamp = datetime.fromisoformat(middle).timestamp()
    assert moments(program, after=f"{stamp:.3f}", limit=200) == after
    # A "+" that nobody escaped arrives as a blank.
    answer = program.get(f"/v1/moments?limit=200&after={middle}")
    assert answer.json()["moments"] == after
    day_before = (datetime.fromisoformat(middle) - timedelta(days=1)).isoformat()
    assert moments(program, before=day_before) == []
    assert moments(program, stream="world", limit=200) == everything


def test_searching_finds_what_was_said(program: httpx.Client) -> None:
    said = next(each for each in moments(program, kind="speech") if len(each["text"]) > 20)
    found = moments(program, q=said["text"])
    assert found[0]["text"] == said["text"]
    assert found[0]["score"] > 0
    assert moments(program, q=said["text"], kind="sound") == []
    assert moments(program, q=said["text"], before="2001-01-01") == []
    assert len(moments(program, q=said["text"], limit=1)) == 1
    assert moments(program, q="zebra xylophone quark") == []


def test_one_moment_and_what_lies_in_a_clip(program: httpx.Client) -> None:
    speech = moments(program, kind="speech")[0]
    alone = program.get(f"/v1/moments/{speech['id']}").json()
    assert alone["text"] == speech["text"]
    assert alone["inside"] == []
    clip = program.get(f"/v1/moments/{speech['clip']}").json()
    assert speech["id"] in [each["id"] for each in clip["inside"]]
    starts = [each["start_s"] for each in clip["inside"]]
    assert starts == sorted(starts)


def test_a_picture_is_asked_for_again_but_not_sent_again(program: httpx.Client) -> None:
    moment = moments(program)[0]
    first = program.get(moment["picture"])
    assert first.content[:2] == b"\xff\xd8"
    assert first.headers["cache-control"] == "private, no-cache"
    again = program.get(moment["picture"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_streams_and_stats(program: httpx.Client) -> None:
    (stream,) = program.get("/v1/streams").json()["streams"]
    stats = program.get("/v1/stats").json()
    assert stream["name"] == "world"
    assert stream["clips"] == stats["clips"] > 3
    assert 55 < stream["watched_s"] < 65
    assert stats["moments"]["speech"] == len(moments(program, kind="speech", limit=200))


def test_the_timeline_counts_what_there_is(program: httpx.Client) -> None:
    line = program.get("/v1/timeline", params={"bins": 10}).json()
    assert line["exact"]
    assert len(line["bins"]) == 10
    stats = program.get("/v1/stats").json()
    assert sum(each["clips"] for each in line["bins"]) == stats["clips"] == len(line["clips"])
    for kind in ("speech", "screen", "sound"):
        assert sum(each[kind] for each in line["bins"]) == stats["moments"][kind]
    assert [each["stream"] for each in line["watched"]] == ["world"]
    second, last = line["clips"][1], line["clips"][-1]
    part = program.get("/v1/timeline", params={"from": second["at"], "to": last["at"], "bins": 3})
    # Shown times are cut to the millisecond, and so the last clip starts behind its own.
    assert sum(each["clips"] for each in part.json()["bins"]) == stats["clips"] - 2
    nothing = {"from": "2001-01-01", "to": "2001-01-02", "stream": "world"}
    empty = program.get("/v1/timeline", params=nothing).json()
    assert sum(each["clips"] for each in empty["bins"]) == 0
    assert empty["clips"] == empty["watched"] == []


# --- asking ------------------------------------------------------------------------------


def test_an_answer_comes_as_it_is_written(program: httpx.Client) -> None:
    asked = {"question": "what was said?"}
    with program.stream("POST", "/v1/ask", json=asked) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = sse(answer.read().decode())
    names = [name for name, _ in events]
    assert names[:2] == ["question", "answer_started"]
    assert names[-1] == "answer"
    assert set(names[2:-1]) == {"answer_text"}
    assert all(name == message["event"] for name, message in events)
    last = events[-1][1]
    deltas = "".join(m["delta"] for name, m in events if name == "answer_text")
    assert deltas == last["answer"]
    assert last["known"] is True
    assert last["citations"]
    assert len({message["turn"] for _, message in events}) == 1


def test_an_answer_comes_whole_to_who_wants_json(program: httpx.Client) -> None:
    answer = program.post(
        "/v1/ask", json={"question": "what was said?"}, headers={"Accept": "application/json"}
    ).json()
    assert answer["event"] == "answer"
    assert answer["outcome"] == "completed"
    assert answer["took_ms"] >= 0


def test_no_dialogue_goes_from_one_question_to_the_next(program: httpx.Client) -> None:
    json = {"Accept": "application/json"}
    follow_up = {"question": "and what happened after that?"}
    before = program.post("/v1/ask", json=follow_up, headers=json).json()
    program.post("/v1/ask", json={"question": "what was the first thing said?"}, headers=json)
    after = program.post("/v1/ask", json=follow_up, headers=json).json()
    assert after["answer"] == before["answer"]


def test_leaving_cuts_the_answer(server: Server) -> None:
    with (
        client(server) as program,
        program.stream("POST", "/v1/ask", json={"question": "what was said?"}) as answer,
    ):
        assert answer.status_code == 200
        next(answer.iter_raw(1))
    wait_for(lambda: server.context.asking.num_open == 0)


def test_questions_that_fail_hold_nothing_up(program: httpx.Client, server: Server) -> None:
    for _ in range(15):
        answer = program.post("/v1/ask", json={"question": "what?", "stream": "nowhere"})
        assert answer.status_code == 400
    assert server.context.asking.num_open == 0


# --- playing -----------------------------------------------------------------------------


@pytest.fixture
def clip(program: httpx.Client) -> str:
    return str(moments(program, kind="speech")[0]["media"])


def test_a_clip_plays(program: httpx.Client, clip: str, tmp_path: Path) -> None:
    answer = program.get(clip)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    file = tmp_path / "clip.mp4"
    file.write_bytes(answer.content)
    with av.open(str(file)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert sum(1 for _ in container.decode(video=0)) > 5


def test_a_clip_comes_in_parts(program: httpx.Client, clip: str) -> None:
    whole = program.get(clip)
    size = len(whole.content)

    def part(wanted: str, **headers: str) -> httpx.Response:
        return program.get(clip, headers={"Range": wanted} | headers)

    for wanted, start, stop in (
        ("bytes=0-", 0, size),
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=-10", size - 10, size),
        (f"bytes=0-{size * 2}", 0, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes={size - 1}-", size - 1, size),
    ):
        answer = part(wanted)
        assert answer.status_code == 206, wanted
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.content == whole.content[start:stop]
    for wanted in (f"bytes={size}-", f"bytes={size * 9}-{size * 10}", "bytes=-0"):
        answer = part(wanted)
        assert (answer.status_code, code_of(answer)) == (416, "bad_range")
        assert answer.headers["content-range"] == f"bytes */{size}"
    # What is no single range of bytes is as if it had not been said.
    for wanted in ("bytes=9-3", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b", "x" * 500):
        assert part(wanted).status_code == 200, wanted
    etag = whole.headers["etag"]
    assert part("bytes=0-0", **{"If-Range": etag}).status_code == 206
    assert part("bytes=0-0", **{"If-Range": '"another"'}).status_code == 200
    assert program.get(clip, headers={"If-None-Match": etag}).status_code == 304
    head = program.head(clip)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(size)


def test_clips_leave_no_named_file_behind(program: httpx.Client, clip: str, server: Server) -> None:
    program.get(clip)
    assert server.context.clips.num_bytes > 1000
    assert list(server.context.clips.folder.iterdir()) == []
    assert server.context.clips.folder.stat().st_mode & 0o077 == 0


def test_a_recording_that_is_gone_is_not_playable(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    shutil.copy(video(), file)
    store = tmp_path / "memory"
    for _ in api.watch(file, store=store, stream="film"):
        pass
    with written(store), serving(store) as server, client(server) as program:
        moment = moments(program)[0]
        assert program.get(moment["media"]).status_code == 200
        file.unlink()
        answer = program.get(moment["media"])
        assert (answer.status_code, code_of(answer)) == (404, "not_playable")
        assert moments(program)[0]["media"] is None


def test_what_is_too_long_for_a_player_is_refused(program: httpx.Client, server: Server) -> None:
    from omnilive.web import clip_cache

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_cache, "_LONGEST_NS", 1)
        answer = program.get(moments(program, kind="speech")[0]["media"])
    assert (answer.status_code, code_of(answer)) == (400, "too_long")


# --- what is wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "id_",
    [
        "u9-9",
        "c1-99999999",
        "..",
        "....",
        "a" * 300,
        "%2e%2e%2fetc%2fpasswd",
        "..%2f..%2fmemory.db",
        "%00",
        "u1-1%00.mp4",
        "u1-1'--",
        "<script>",
        "u1 1",
        "%F0%9F%92%A9",
        "~root",
        "-rf",
        ".mp4",
        "con",
    ],
)
def test_hostile_ids_find_nothing(program: httpx.Client, server: Server, id_: str) -> None:
    for path in (
        f"/v1/moments/{id_}",
        f"/v1/moments/{id_}/picture.jpg",
        f"/v1/clips/{id_}.mp4",
    ):
        answer = program.get(path)
        assert answer.status_code in (404, 422), (path, answer.status_code)
        assert "Traceback" not in answer.text
        assert str(server.store) not in answer.text
    for method, path in (
        ("POST", f"/v1/moments/{id_}/pin"),
        ("POST", f"/v1/moments/{id_}/forget"),
    ):
        assert program.request(method, path).status_code in (404, 405, 422)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"kind": "cat"}, "kind"),
        ({"after": "noon"}, "after"),
        ({"before": "1e999"}, "before"),
        ({"before": "-5"}, "before"),
        ({"after": "99999-01-01"}, "after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x" * 101}, "cursor"),
        ({"q": "x" * 1001}, "q"),
    ],
)
def test_wrong_queries_are_named(program: httpx.Client, query: dict[str, str], param: str) -> None:
    answer = program.get("/v1/moments", params=query)
    assert answer.status_code in (400, 422)
    assert code_of(answer) == "bad_request"
    assert answer.json()["error"]["param"] == param


def test_wrong_cursors_and_streams(program: httpx.Client) -> None:
    for cursor in (
        "1-2-3",
        "a-b-c-d",
        "1-2-3-4-5",
        "9" * 19 + "-1-1-1",
        "9" * 30 + "-1-1-1",
        "١-1-1-1",
    ):
        assert program.get("/v1/moments", params={"cursor": cursor}).status_code == 400
    for path in ("/v1/moments", "/v1/timeline"):
        answer = program.get(path, params={"stream": "nowhere"})
        assert (answer.status_code, code_of(answer)) == (400, "bad_request")
    assert program.get("/v1/timeline", params={"bins": 2001}).status_code == 422
    backwards = {"from": "2026-01-02", "to": "2026-01-01"}
    assert program.get("/v1/timeline", params=backwards).status_code == 400


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"question": ""}', "application/json", 422),
        (b'{"question": "   "}', "application/json", 400),
        (b'{"question": 5}', "application/json", 422),
        (b'{"question": "what?", "extra": 1}', "application/json", 422),
        (b'{"question": "what?", "stream": "nowhere"}', "application/json", 400),
        (b'{"question": "\xff\xfe"}', "application/json", 400),
        (b'{"question": "what?"}', "text/plain", 422),
        (b"question=what", "application/x-www-form-urlencoded", 422),
        (b"[" * 60_000, "application/json", 400),
    ],
)
def test_questions_that_are_none(
    program: httpx.Client, content: bytes, content_type: str, status: int
) -> None:
    answer = program.post("/v1/ask", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, code_of(answer)) == (status, "bad_request")


def test_wrong_methods_and_paths(program: httpx.Client) -> None:
    for method, path, status in (
        ("PUT", "/v1/moments", 405),
        ("POST", "/v1/stats", 405),
        ("POST", "/", 405),
        ("DELETE", "/health", 405),
        ("GET", "/v1/ask", 405),
        ("GET", "/v2", 404),
        ("GET", "/v1/../etc/passwd", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/..%2fapp.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
    ):
        answer = program.request(method, path)
        assert answer.status_code == status, (method, path)
        code_of(answer)


# --- how it is ----------------------------------------------------------------------------


def test_the_server_says_that_it_only_looks(program: httpx.Client) -> None:
    status = program.get("/v1/status").json()
    assert status["remembers"] is False
    assert "omnilive watch door" in status["refusal"]
    assert status["ready"] is True
    assert status["leaves_machine"] == []
    answer = program.post("/v1/sessions", json={})
    assert (answer.status_code, code_of(answer)) == (409, "store_busy")
    assert "omnilive watch door" in answer.json()["error"]["message"]
    assert program.get("/v1/sessions").json() == {"sessions": []}
    assert program.get("/v1/sessions/s1").status_code == 404
    assert program.post("/v1/sessions/s1/whip", content="v=0").status_code == 415
    sdp = {"Content-Type": "application/sdp"}
    answer = program.post("/v1/sessions/s1/whip", content="v=0", headers=sdp)
    assert (answer.status_code, code_of(answer)) == (404, "unknown_session")


def test_metrics_have_their_names_and_tell_nothing(program: httpx.Client) -> None:
    program.get("/v1/moments", params={"q": "secret words"})
    answer = program.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    figures = {line.split("{")[0].split(" ")[0] for line in answer.text.splitlines()}
    assert {
        "omnilive_sessions",
        "omnilive_frames_total",
        "omnilive_interruptions_total",
        "omnilive_memory_items",
        "omnilive_store_bytes",
        "omnilive_disk_free_bytes",
        "omnilive_http_requests_total",
    } <= figures
    for name in ("source_up", "queue_depth", "errors_total", "turn_latency_seconds"):
        assert f"# TYPE omnilive_{name.removesuffix('_total')}" in answer.text
    assert 'route="/v1/moments"' in answer.text
    assert "secret" not in answer.text
    assert 'part="moment"' in answer.text


def test_a_store_that_cannot_be_read_is_not_ready(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with written(store), serving(store) as server, client(server) as program:
        for file in store.glob("memory.db*"):
            file.write_bytes(b"no database" * 100)
        answer = program.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["reasons"]
        assert program.get("/health").status_code == 200
        answer = program.get("/v1/moments")
        assert (answer.status_code, code_of(answer)) == (503, "store_unusable")
        assert program.get("/metrics").status_code == 200


def test_openapi_describes_every_route(program: httpx.Client) -> None:
    schema = program.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for method, about in operations.items():
            assert about.get("description"), (method, path)
            assert "4XX" in about["responses"], (method, path)
