"""The chat client against a real server on loopback, in good and bad moods."""

from __future__ import annotations

import logging
import threading

import pytest

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, ConfigError
from omnilive.remote import ChatClient, ChatConfig, Message
from omnilive.remote.chat import endpoint
from omnilive.remote.replies import ReplyLimits, streamed
from vlm_server import GOOD, VlmServer

ASK = (Message(role="user", parts=("What does the sign say?",)),)
SECRET = "the password is swordfish"


def config(url: str, **changes: object) -> ChatConfig:
    settings: dict[str, object] = {"backoff_s": 0.01, "max_wait_s": 0.05, **changes}
    return ChatConfig(url=url, model="some-model", **settings)


def ask(server: VlmServer, cancel: Cancel | None = None, **changes: object) -> str:
    client = ChatClient(config(server.url, **changes))
    try:
        return "".join(client.stream(ASK, cancel or Cancel()))
    finally:
        client.close()


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    monkeypatch.delenv("OMNILIVE_VLM_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.parametrize("mode", ["good", "whole", "no_done"])
def test_good_reply(mode):
    with VlmServer(mode) as server:
        assert ask(server) == GOOD
        assert server.paths == ["/v1/chat/completions"]
        sent = server.requests[0]
        assert sent["model"] == "some-model"
        assert sent["stream"] is True
        assert "authorization" not in server.headers[0]


def test_deltas_come_one_by_one():
    with VlmServer("stall") as server:
        client = ChatClient(config(server.url))
        deltas = client.stream(ASK, Cancel())
        assert next(deltas) == GOOD[:5]  # the server is still holding back the rest
        deltas.close()
        assert server.gone.wait(30)


def test_pictures_go_as_data_uris_in_their_place():
    with VlmServer("good") as server:
        client = ChatClient(config(server.url + "/v1/"))
        parts = ("before", b"\xff\xd8jpeg", "after")
        "".join(client.stream((Message(role="user", parts=parts),), Cancel()))
        content = server.requests[0]["messages"][0]["content"]
        assert [part["type"] for part in content] == ["text", "image_url", "text"]
        assert content[1]["image_url"]["url"] == "data:image/jpeg;base64,/9hqcGVn"
        assert server.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OMNILIVE_VLM_KEY": "k1", "OPENAI_API_KEY": "k2"}, "Bearer k1"),
        ({"OPENAI_API_KEY": "k2"}, "Bearer k2"),
    ],
)
def test_key_comes_from_the_environment(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with VlmServer("good") as server:
        ask(server)
        assert server.headers[0]["authorization"] == expected


def test_a_key_for_another_server_is_not_sent_in_the_clear(monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "k2")
    with caplog.at_level(logging.WARNING):
        client = ChatClient(config("http://192.0.2.1:8000"))
    assert "Authorization" not in client._headers
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "unencrypted" in caplog.text
    assert "Authorization" in ChatClient(config("https://192.0.2.1"))._headers


def test_a_key_with_a_line_break_is_refused(monkeypatch):
    monkeypatch.setenv("OMNILIVE_VLM_KEY", "abc\r\nX: y")
    with pytest.raises(ConfigError, match="OMNILIVE_VLM_KEY") as caught:
        ChatClient(config("http://127.0.0.1:1"))
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "requests", "words"),
    [
        ("failing", 4, "tried 4 times"),
        ("limited", 4, "too often"),
        ("unauthorized", 1, "OMNILIVE_VLM_KEY"),
        ("redirect", 1, "not followed"),
        ("html", 1, "page instead of a chat reply"),
        ("garbage", 1, "not a chat reply"),
        ("not_utf8", 1, "not UTF-8"),
        ("empty", 1, "broke its answer off"),
        ("nothing", 1, "empty answer"),
        ("no_choices", 1, "without a choice"),
        ("no_end", 1, "broke its answer off"),
        ("breaks", 1, "broke its answer off"),
        ("length", 1, "max_tokens"),
        ("long_line", 1, "line of more than"),
        ("error_event", 1, "reported an error"),
        ("gzip", 1, "compressed"),
    ],
)
def test_bad_reply_is_one_clear_sentence(mode, requests, words):
    with VlmServer(mode, text=SECRET) as server:
        with pytest.raises(BackendError, match=words) as caught:
            ask(server)
        assert len(server.requests) == requests
        assert "swordfish" not in str(caught.value)
        assert "secret words" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("mode", ["flaky", "rate"])
def test_what_passes_is_tried_again(mode):
    with VlmServer(mode) as server:
        assert ask(server) == GOOD
        assert len(server.requests) == 2


def test_retry_after_is_honoured_up_to_the_cap():
    client = ChatClient(config("http://127.0.0.1:1", max_wait_s=20.0, backoff_s=0.5))
    assert client._wait_s(0, "7") == 7.0
    assert client._wait_s(0, "86400") == 20.0
    assert client._wait_s(2, "") == 2.0
    assert client._wait_s(0, "Wed, 21 Oct 2026 07:28:00 GMT") == 0.5


def test_nobody_listens():
    with VlmServer("good") as server:
        url = server.url
    with pytest.raises(BackendError, match="tried 2 times"):
        "".join(ChatClient(config(url, max_retries=1)).stream(ASK, Cancel()))


def test_a_reply_that_may_be_cut_is_good_enough():
    with VlmServer("length") as server:
        client = ChatClient(config(server.url))
        assert "".join(client.stream(ASK, Cancel(), may_be_cut=True, max_tokens=9)) == GOOD
        assert server.requests[0]["max_tokens"] == 9


@pytest.mark.parametrize(
    ("mode", "changes", "words"),
    [
        ("slow", {"connect_timeout_s": 0.1, "first_byte_timeout_s": 0.1}, "sent nothing for 0.2 s"),
        ("stall", {"idle_timeout_s": 0.1}, "sent nothing for 0.1 s"),
        ("trickle", {"total_timeout_s": 0.2}, "did not finish"),
        ("endless", {"max_reply_bytes": 20_000}, "more than 20000 bytes"),
    ],
)
def test_a_server_that_does_not_end_is_left(mode, changes, words):
    with VlmServer(mode) as server, pytest.raises(BackendError, match=words):
        ask(server, **changes)


@pytest.mark.parametrize("mode", ["slow", "stall", "trickle", "endless"])
def test_cancel_breaks_off_at_once_wherever_it_waits(mode):
    with VlmServer(mode) as server:
        cancel = Cancel()
        outcome: list[BaseException | str] = []

        def work() -> None:
            try:
                outcome.append(ask(server, cancel, max_reply_bytes=10**9))
            except BaseException as error:
                outcome.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        assert server.arrived.wait(30)
        cancel.set()
        worker.join(30)  # far less than any of the client's own timeouts
        assert not worker.is_alive()
        assert isinstance(outcome[0], Cancelled)
        if mode != "slow":  # a server that has not begun notices when it begins
            assert server.gone.wait(30)


def test_cancel_ends_the_wait_before_another_attempt():
    with VlmServer("limited", retry_after="3600") as server:
        cancel = Cancel()
        client = ChatClient(config(server.url, max_wait_s=3600.0))
        threading.Thread(target=lambda: (server.arrived.wait(30), cancel.set())).start()
        with pytest.raises(Cancelled):
            "".join(client.stream(ASK, cancel))


def test_cancelled_before_it_began_sends_nothing():
    with VlmServer("good") as server:
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled):
            ask(server, cancel)
        assert server.requests == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("https://h/api/v3/", "https://h/api/v3/chat/completions"),
        ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
        ("https://h/v1beta", "https://h/v1beta/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
    ],
)
def test_endpoint(address, expected):
    assert str(endpoint(address)) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "h:1",
        "ftp://h/",
        "file:///etc/passwd",
        "http://u:swordfish@h/",
        "http://h/?k=v",
        "http://h:x/",
        "http://[::",
    ],
)
def test_bad_address(address):
    with pytest.raises(ConfigError) as caught:
        endpoint(address)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{"max_tokens": 0}, {"idle_timeout_s": 0}, {"max_retries": -1}, {"url": "h:1"}]
)
def test_settings_that_make_no_sense(changes):
    with pytest.raises(ConfigError):
        ChatConfig(**changes)


def test_a_client_needs_address_and_model():
    with pytest.raises(ConfigError, match="--vlm"):
        ChatClient(ChatConfig(url="http://127.0.0.1:1"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_bytes_cut_anywhere_give_the_same_text(size):
    text = "Zwölf Kühe — 十二头牛 \u2028 ok"
    body = (
        b": hello\r\n\r\nevent: x\r\n"
        + b'data: {"choices": [{"delta": {"content": "%s"}}]}\r\n\r\n' % text.encode()
        + b'data: {"choices":\ndata: [{"delta": {}, "finish_reason": "stop"}]}\n\n'
        + b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\ndata: [DONE]\n\n'
    )
    limits = ReplyLimits(max_line_bytes=1000, max_reply_bytes=10_000)
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    assert "".join(streamed(chunks, limits, "S")) == text
