"""Who may come in: every route of the application refuses strangers, so a new one does too."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIWebSocketRoute
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from http_support import TOKEN, client, code_of, serving, store_copy, written
from omnilive.errors import ConfigError, UsageError
from omnilive.web.door import Door
from omnilive.web.errors import Refusal
from omnilive.web.hosts import AllowedHosts
from omnilive.web.limits import Buckets, Rate, RequestLimits, class_of
from omnilive.web.security import HEADERS
from omnilive.web.server import Server, ServerOptions
from omnilive.web.tokens import LOGIN_S, Guesses, Tokens, make_token

PLENTY = RequestLimits(read=Rate(1e6, 10**6), ask=Rate(1e6, 10**6), change=Rate(1e6, 10**6))
# Said here once more: whatever else is to be open without a token is to be added on purpose.
PUBLIC = {"/", "/health", "/ready"}
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = store_copy(tmp_path_factory.mktemp("guard"))
    with written(store), serving(store, limits=PLENTY) as made:
        yield made


def _routes(server: Server) -> list[tuple[str, str]]:
    """Every method and path of the application, with ids filled in."""
    found: list[tuple[str, str]] = []

    def visit(routes: list[BaseRoute], prefix: str) -> None:
        for route in routes:
            if isinstance(route, Mount):
                found.append(("GET", f"{prefix}{route.path}/js/app.js"))
                continue
            path = prefix + re.sub(r"\{[^}]+\}", "u1-1000", getattr(route, "path", ""))
            if isinstance(route, APIWebSocketRoute):
                found.append(("WS", path))
                continue
            inner = getattr(getattr(route, "original_router", None), "routes", None)
            if inner is not None:
                visit(inner, prefix)
                continue
            methods = getattr(route, "methods", None)
            assert methods, f"a route of an unknown kind: {route!r}"
            found.extend((method, path) for method in sorted(methods))

    visit(list(server.app.routes), "")
    return found


def _status(server: Server, method: str, path: str, headers: dict[str, str]) -> int:
    """Return how a request is answered; of a WebSocket, how its handshake is."""
    if method == "WS":
        address = f"ws://127.0.0.1:{server.port}{path}"
        origin = headers.pop("Origin", None)
        host = headers.pop("Host", None)
        if host is not None:
            address = f"ws://{host}{path}"
        try:
            with connect(
                address,
                additional_headers=headers,
                origin=origin,  # type: ignore[arg-type]
                sock=_socket(server),
                proxy=None,
            ):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code
    with client(server, token=None) as guest:
        return guest.request(method, path, headers=headers).status_code


def _socket(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port))


def test_the_walk_finds_every_kind_of_route(server: Server) -> None:
    routes = _routes(server)
    assert len(routes) > 25
    assert {"GET", "POST", "PATCH", "DELETE", "HEAD", "WS"} <= {method for method, _ in routes}
    documented = server.app.openapi()["paths"]
    for path, operations in documented.items():
        filled = re.sub(r"\{[^}]+\}", "u1-1000", path)
        for method in operations:
            assert (method.upper(), filled) in routes


def test_every_route_refuses_who_has_no_token_or_a_wrong_one(server: Server) -> None:
    guests = ({}, {"Authorization": "Bearer wrong-wrong-wrong"}, {"Authorization": "Basic eDp5"})
    for method, path in _routes(server):
        public = path in PUBLIC or path.startswith("/static/") or path == "/login"
        for headers in guests:
            server.context.door.forgive()
            status = _status(server, method, path, dict(headers))
            if public:
                assert status in (200, 404, 422), (method, path, status)
            else:
                assert status == 401, (method, path, status)


def test_every_route_refuses_pages_of_other_origins(server: Server) -> None:
    for method, path in _routes(server):
        for origin in (EVIL, "null", f"http://127.0.0.1:{server.port + 1}", "https://127.0.0.1"):
            headers = {"Authorization": f"Bearer {TOKEN}", "Origin": origin}
            status = _status(server, method, path, headers)
            assert status == 403, (method, path, origin, status)


def test_every_route_refuses_a_rebinding_host(server: Server) -> None:
    hosts = ("evil.example", f"evil.example:{server.port}", "127.0.0.1:1", "localhost.evil.example")
    for method, path in _routes(server):
        for host in hosts:
            headers = {"Authorization": f"Bearer {TOKEN}", "Host": host}
            status = _status(server, method, path, headers)
            assert status == 421, (method, path, host, status)


def test_no_route_sends_cors_headers_and_all_send_the_others(server: Server) -> None:
    with client(server) as program:
        for method, path in _routes(server):
            if method == "WS":
                continue
            response = program.request(method, path)
            assert not [name for name in response.headers if name.startswith("access-control")]
            for name in HEADERS:
                assert name in response.headers, (method, path, name)
            assert "unsafe" not in response.headers["content-security-policy"]
            assert "server" not in response.headers
        preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
        assert program.options("/v1/ask", headers=preflight).status_code == 403


def test_what_a_browser_says_of_other_sites_is_believed(server: Server) -> None:
    with client(server) as program:
        for site in ("cross-site", "same-site"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
            assert program.get("/v1/stats", headers=headers).status_code == 403
            # A link in a mail may lead here, but not from inside a frame.
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
            assert (
                program.get("/", headers=headers | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
            )
            assert program.get("/", headers=headers | {"Sec-Fetch-Dest": "document"}).is_success
        assert program.post(
            "/logout", headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        ).is_success


def test_the_link_becomes_a_cookie_and_an_address_without_the_token(server: Server) -> None:
    with client(server, token=None) as page:
        answer = page.get(f"/?token={TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert page.get("/v1/status").status_code == 200
        assert page.post("/logout").status_code == 204
        assert page.get("/v1/status").status_code == 401
    with client(server, token=None) as stranger:
        server.context.door.forgive()
        answer = stranger.get("/?token=wrong-wrong-wrong-wrong")
        assert (answer.status_code, answer.headers["location"]) == (303, "/?login=failed")
        assert "set-cookie" not in answer.headers
        assert stranger.post("/login", json={"token": "nope"}).status_code == 401
        assert stranger.post("/login", json={"token": TOKEN}).status_code == 204
        assert stranger.get("/v1/status").status_code == 200


def test_guessing_is_limited(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with written(store), serving(store) as server, client(server, token=None) as stranger:
        codes = [
            stranger.post("/login", json={"token": f"guess-number-{n}"}).status_code
            for n in range(12)
        ]
        assert codes == [401] * 10 + [429] * 2
        waiting = stranger.post("/login", json={"token": TOKEN})
        assert waiting.status_code == 429
        assert 0 < int(waiting.headers["retry-after"]) <= 60
        assert stranger.get(f"/?token={TOKEN}").status_code == 429


def test_asking_too_much_is_told_to_wait(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    limits = RequestLimits(read=Rate(0.5, 3), body_bytes=100)
    with written(store), serving(store, limits=limits) as server, client(server) as program:
        codes = [program.get("/v1/streams").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        refused = program.get("/v1/streams")
        assert code_of(refused) == "too_many_requests"
        assert int(refused.headers["retry-after"]) in (1, 2)
        # What one client has used up is not the page's.
        long = {"question": "why " * 100}
        answer = program.post("/v1/ask", json=long)
        assert (answer.status_code, code_of(answer)) == (413, "too_large")

        def untold() -> Iterator[bytes]:
            for _ in range(50):
                yield b" " * 10

        answer = program.post("/v1/ask", content=untold())
        assert (answer.status_code, code_of(answer)) == (413, "too_large")


def test_the_token_never_reaches_a_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with client(server, token=None) as page:
        page.get(f"/?token={TOKEN}")
        page.get("/v1/moments", params={"q": "a very private thing"})
    said = " ".join(
        record.getMessage() for record in caplog.records if record.name.split(".")[0] != "httpx"
    )
    assert TOKEN not in said
    assert "private" not in said


# --- the parts, without a server ---------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("LOCALHOST:8080", True),
        ("localhost.:8080", True),
        ("[::1]:8080", True),
        ("[0:0:0:0:0:0:0:1]:8080", True),
        ("home.local", True),
        ("home.local:9999", True),
        ("named:444", True),
        ("named", False),
        ("named:8080", False),
        ("127.0.0.1", False),
        ("127.0.0.1:80", False),
        ("127.0.0.2:8080", False),
        ("[::1]", False),
        ("[::2]:8080", False),
        ("::1", False),
        ("evil.example:8080", False),
        ("localhost.evil.example:8080", False),
        ("evil.example#localhost:8080", False),
        ("user@localhost:8080", False),
        ("localhost:8080/..", False),
        ("localhost:0", False),
        ("localhost:99999", False),
        ("", False),
        (" ", False),
        ("[::1", False),
        ("[evil]:8080", False),
    ],
)
def test_hosts(host: str, allowed: bool) -> None:
    hosts = AllowedHosts("127.0.0.1", 8080, "http", ["home.local", "named:444"], proxied=False)
    assert hosts.allows_host(host) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://home.local", True),
        ("https://127.0.0.1:8080", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8081", False),
        ("http://evil.example", False),
        ("http://evil.example:8080", False),
        ("file://", False),
        ("null", False),
        ("chrome-extension://abc", False),
        ("http://127.0.0.1:8080.evil.example", False),
        ("127.0.0.1:8080", False),
    ],
)
def test_origins(origin: str, allowed: bool) -> None:
    hosts = AllowedHosts("127.0.0.1", 8080, "http", ["home.local"], proxied=False)
    assert hosts.allows_origin(origin) is allowed


def test_hosts_of_a_server_on_all_addresses() -> None:
    hosts = AllowedHosts("0.0.0.0", 8443, "https", (), proxied=False)
    assert hosts.allows_host("192.168.1.5:8443", "192.168.1.5")
    assert not hosts.allows_host("192.168.1.6:8443", "192.168.1.5")
    assert hosts.allows_host("192.168.1.5:8443", "::ffff:192.168.1.5")
    assert hosts.allows_host("localhost:8443", "127.0.0.1")
    assert hosts.allows_origin("https://192.168.1.5:8443", "192.168.1.5")
    assert not hosts.allows_origin("http://192.168.1.5:8443", "192.168.1.5")
    default = AllowedHosts("192.168.1.5", 443, "https", (), proxied=False)
    assert default.allows_host("192.168.1.5")
    proxied = AllowedHosts("127.0.0.1", 8080, "http", ["omni.example.org"], proxied=True)
    assert proxied.allows_host("omni.example.org")
    assert proxied.allows_origin("https://omni.example.org")
    with pytest.raises(UsageError, match="no host name"):
        AllowedHosts("127.0.0.1", 8080, "http", ["not a name"], proxied=False)


def test_a_cookie_holds_for_a_while_and_only_for_its_token() -> None:
    now = [1_000_000.0]
    tokens = Tokens(TOKEN, lambda: now[0])
    cookie = tokens.make_cookie()
    assert tokens.is_cookie(cookie)
    assert not Tokens(TOKEN + "!", lambda: now[0]).is_cookie(cookie)
    issued, nonce, signature = cookie.split(".")
    later = f"{int(issued) + 1}.{nonce}.{signature}"
    for forged in ("", ".", "..", "a.b.c", cookie[:-1], later, f"x.{nonce}.{signature}", TOKEN):
        assert not tokens.is_cookie(forged)
    now[0] += LOGIN_S - 1
    assert tokens.is_cookie(cookie)
    now[0] += 120
    assert not tokens.is_cookie(cookie)


def test_tokens_are_long_or_refused() -> None:
    assert len(make_token()) >= 43
    assert make_token() != make_token()
    assert make_token("sixteen-letters!") == "sixteen-letters!"
    for short in ("short", "x" * 15, "sixteen letters!", "sixteen-letters\n", "sechzehn-zeichen-ü"):
        with pytest.raises(ConfigError, match="OMNILIVE_TOKEN"):
            make_token(short)


def test_guesses_are_forgotten_after_a_while() -> None:
    now = [0.0]
    guesses = Guesses(most=3, window_s=60.0, now=lambda: now[0])
    for _ in range(3):
        assert guesses.wait_s("a") == 0.0
        guesses.note_wrong("a")
    assert guesses.wait_s("a") == 60.0
    assert guesses.wait_s("b") == 0.0
    now[0] = 61.0
    assert guesses.wait_s("a") == 0.0
    guesses.note_wrong("a")
    assert guesses.wait_s("a") == 0.0


def test_buckets_fill_again() -> None:
    now = [0.0]
    rates = RequestLimits(read=Rate(2.0, 2)).rates()
    buckets = Buckets(rates, lambda: now[0])
    assert [buckets.draw("a", "read") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert buckets.draw("b", "read") == 0.0
    assert buckets.draw("a", "ask") == 0.0
    now[0] = 0.5
    assert buckets.draw("a", "read") == 0.0
    now[0] = 100.0
    assert [buckets.draw("a", "read") > 0 for _ in range(3)] == [False, False, True]


def test_requests_have_classes() -> None:
    assert class_of("POST", "/v1/ask") == "ask"
    assert class_of("POST", "/v1/sessions/x/whip") == "session"
    assert class_of("GET", "/v1/sessions") == "read"
    assert class_of("DELETE", "/v1/moments/x/pin") == "change"


def test_a_door_knows_its_own_cookie_by_the_host_it_was_given_for() -> None:
    door = Door(Tokens(TOKEN))
    given = door.log_in(TOKEN, Headers({"host": "localhost:1"}), "a")
    cookie = given.headers["set-cookie"].split(";")[0]
    assert door.identify(Headers({"host": "localhost:1", "cookie": cookie}), "a") == "a page"
    with pytest.raises(Refusal):
        door.identify(Headers({"host": "localhost:2", "cookie": cookie}), "a")
    secure = Door(Tokens(TOKEN), secure=True)
    given = secure.log_in(TOKEN, Headers({"host": "localhost:1"}), "a")
    assert given.headers["set-cookie"].startswith("__Host-")
    assert "Secure" in given.headers["set-cookie"]


def test_what_can_be_reached_from_elsewhere_must_be_encrypted() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "home.local", ""):
        with pytest.raises(UsageError, match="--tls self"):
            ServerOptions(host=host)
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        ServerOptions(host=host)
    ServerOptions(host="0.0.0.0", own_tls=True)
    ServerOptions(host="0.0.0.0", behind_proxy=True)
    with pytest.raises(UsageError, match="go together"):
        ServerOptions(certificate=Path("a.pem"))
    with pytest.raises(UsageError, match="no IP address"):
        ServerOptions(ice_addresses=("home.local",))
