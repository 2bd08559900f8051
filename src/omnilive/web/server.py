"""A server from its start to its end: where it may listen, its threads, how it goes down."""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import logging
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import platformdirs
import uvicorn

from omnilive import api
from omnilive.clock import Clock, RealClock
from omnilive.errors import OmniLiveError, UsageError
from omnilive.memory import totals
from omnilive.system import Config
from omnilive.web.addresses import ice_addresses
from omnilive.web.app import create_app
from omnilive.web.clip_cache import ClipCache
from omnilive.web.context import Context
from omnilive.web.door import Door
from omnilive.web.hosts import AllowedHosts, is_loopback
from omnilive.web.house import House
from omnilive.web.limits import RequestLimits
from omnilive.web.memories import Memories
from omnilive.web.metrics import Metrics
from omnilive.web.tls import Certificate, given_certificate, own_certificate
from omnilive.web.tokens import Tokens, make_token

_log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
_UPKEEP_EVERY_S = 1.0
_GOODBYE_S = 3
_START_S = 30.0
_MOST_CONNECTIONS = 512
_BACKLOG = 256
_MOST_FRAME_BYTES = 2 << 20  # a picture of 1 MB, and some


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Where and how a server listens.

    Attributes:
        host, port: what it is bound to; port 0 takes a free one.
        certificate, key: files of the user's own certificate.
        own_tls: whether a certificate is made here.
        behind_proxy: whether a proxy with TLS stands before it.
        allow_hosts: names it may be spoken to by, besides its own.
        ice_addresses: of this machine, at which media may come in; () chooses by `host`.
        token: what lets in; "" makes one.
        tls_folder: where the certificate that was made here is kept.
        limits: how much one client may ask for.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: Path | None = None
    key: Path | None = None
    own_tls: bool = False
    behind_proxy: bool = False
    allow_hosts: tuple[str, ...] = ()
    ice_addresses: tuple[str, ...] = ()
    token: str = ""
    tls_folder: Path = field(
        default_factory=lambda: Path(platformdirs.user_config_dir("omnilive")) / "tls"
    )
    limits: RequestLimits = field(default_factory=RequestLimits)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("--tls-cert and --tls-key go together; give both.")
        if self.certificate is not None and self.own_tls:
            raise UsageError("--tls self makes a certificate; leave out --tls-cert and --tls-key.")
        if not self.is_encrypted and not self.behind_proxy and not is_loopback(self.host):
            raise UsageError(
                f"{self.host} can be reached from other machines, and without TLS so could "
                "what you say and your token; add --tls self (or --tls-cert and --tls-key), or "
                "--behind-proxy if a proxy with TLS stands before it."
            )
        for address in self.ice_addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise UsageError(f'--ice-address "{address}" is no IP address.') from None

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS itself."""
        return self.own_tls or self.certificate is not None


class Server:
    """A memory behind HTTP. Use it in a `with` block, or `start` and `stop` it.

    Args:
        config: what to run.
        store: directory of the memory; the configured one if None.
        options: where and how it listens.
        clock: for tests.

    Raises:
        UsageError: the options contradict each other, or the port cannot be had.
        StoreError: the store cannot be used.
    """

    def __init__(
        self,
        config: Config,
        store: Path | None = None,
        options: ServerOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.options = options or ServerOptions()
        self.config = config
        self.store = api.store_path(store, config).expanduser()
        self.token = make_token(self.options.token)
        self.certificate = self._certificate()
        self._clock = clock or RealClock()
        self._socket = _listen(self.options.host, self.options.port)
        self.port = int(self._socket.getsockname()[1])
        self._stopping = threading.Event()
        self._stopped = False
        try:
            self.context = self._open()
        except BaseException:
            self._socket.close()
            raise
        self.app = create_app(self.context)
        self._http = uvicorn.Server(self._http_config())
        self._thread = threading.Thread(target=self._serve, name="omnilive http", daemon=True)
        self._upkeep = threading.Thread(target=self._keep_up, name="omnilive upkeep", daemon=True)

    # --- from start to end ---------------------------------------------------------------

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()
        self._upkeep.start()
        deadline = time.monotonic() + _START_S
        while not self._http.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise OmniLiveError("The server could not start; --verbose says more.")
            time.sleep(0.01)

    def stop(self) -> None:
        """Say goodbye, commit what was perceived, end every thread. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        self._stopping.set()
        # Answers over HTTP hold the server up, so they are cut before it is asked to end.
        self.context.asking.close()
        try:
            self.context.house.close()
        finally:
            self._http.should_exit = True
            if self._thread.is_alive():
                self._thread.join()
            if self._upkeep.is_alive():
                self._upkeep.join()
            self._socket.close()
            self.context.clips.close()
            self.context.memories.close()

    def hurry(self) -> None:
        """Let `stop` wait for nobody who is still connected."""
        self._http.force_exit = True

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- what is told to the user --------------------------------------------------------

    @property
    def address(self) -> str:
        """Where the page is, without the token."""
        host = self.options.host
        return self._address("127.0.0.1" if host in ("0.0.0.0", "::", "") else host)

    @property
    def link(self) -> str:
        """The address that lets a browser in."""
        return f"{self.address}?token={self.token}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the page is for other machines, without the token; () on loopback."""
        host = self.options.host
        if is_loopback(host):
            return ()
        hosts = ice_addresses(host) if host in ("0.0.0.0", "::", "") else (host,)
        return tuple(self._address(each) for each in hosts if not is_loopback(each))

    def check(self) -> None:
        """Raise if the server no longer answers, though nobody stopped it."""
        if not self._stopped and not self._thread.is_alive():
            raise OmniLiveError("The HTTP server has failed; --verbose says more.")

    # --- behind the scenes ---------------------------------------------------------------

    def _address(self, host: str) -> str:
        scheme = "https" if self.options.is_encrypted else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def _certificate(self) -> Certificate | None:
        options = self.options
        if options.own_tls:
            names = ["localhost", "127.0.0.1", "::1"]
            if options.host not in ("0.0.0.0", "::", ""):
                names.append(options.host)
            else:
                names += ice_addresses(options.host)
            names += [urlsplit(f"//{name}").hostname or name for name in options.allow_hosts]
            return own_certificate(options.tls_folder, list(dict.fromkeys(names)))
        if options.certificate is not None and options.key is not None:
            return given_certificate(options.certificate, options.key)
        return None

    def _open(self) -> Context:
        options = self.options
        hosts = AllowedHosts(
            options.host,
            self.port,
            "https" if options.is_encrypted else "http",
            options.allow_hosts,
            proxied=options.behind_proxy,
        )
        memories = Memories(lambda: api.open_store(self.store, config=self.config))
        house = House(
            self.config,
            self.store,
            clock=self._clock,
            ice_addresses=ice_addresses(options.host, options.ice_addresses),
            observer=lambda message: metrics.observe(message),
        )
        metrics = Metrics(house.stats, lambda: _remembered(memories), self.store)
        house.open()
        return Context(
            config=self.config,
            page=PAGE,
            door=Door(Tokens(self.token), secure=options.is_encrypted or options.behind_proxy),
            hosts=hosts,
            limits=options.limits,
            house=house,
            memories=memories,
            clips=ClipCache(),
            metrics=metrics,
            leaves_machine=leaves_machine(self.config),
        )

    def _http_config(self) -> uvicorn.Config:
        certificate = self.certificate
        return uvicorn.Config(
            self.app,
            # Nothing of a request may reach a log: addresses hold the token, and questions.
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            http="h11",
            loop="asyncio",
            ws="websockets-sansio",
            ws_max_size=_MOST_FRAME_BYTES,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GOODBYE_S,
            proxy_headers=self.options.behind_proxy,
            ssl_certfile=certificate.certificate if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )

    def _serve(self) -> None:
        try:
            self._http.run(sockets=[self._socket])
        except SystemExit:
            _log.error("the HTTP server could not start")

    def _keep_up(self) -> None:
        """Drop the exported clips as soon as anything was deleted, whoever deleted it."""
        while not self._stopping.wait(_UPKEEP_EVERY_S):
            try:
                with self.context.memories.looking() as memory:
                    self.context.clips.note_deletions(memory.store.database.erased)
            except OmniLiveError as error:
                _log.debug("upkeep: %s", type(error).__name__)


def leaves_machine(config: Config) -> tuple[str, ...]:
    """Return what a configuration sends elsewhere, in sentences; empty if nothing."""
    if not config.vlm.url:
        return ()
    server = urlsplit(config.vlm.url)
    where = f"{server.hostname}{f':{server.port}' if server.port else ''}"
    return (
        f"Pictures and words of remembered moments, and questions, are sent to {where} "
        f"({config.vlm.model}).",
    )


def with_max_sessions(config: Config, number: int | None) -> Config:
    """Return a configuration with another limit of sessions; the same if None."""
    if number is None:
        return config
    return dataclasses.replace(config, live=dataclasses.replace(config.live, max_sessions=number))


def _remembered(memories: Memories) -> dict[str, tuple[int, int]]:
    with memories.looking() as memory:
        held = totals.read(memory.store.database)
    found: dict[str, tuple[int, int]] = dict.fromkeys(totals.PARTS, (0, 0))
    for (_, _, part), total in held.items():
        rows, num_bytes = found[totals.PARTS[part]]
        found[totals.PARTS[part]] = (rows + total.num_rows, num_bytes + total.num_bytes)
    return found


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Named as TCP, because asyncio sends small answers at once only on what is so named.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if sys.platform != "win32":  # there it would let a second server take the port
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
            made.bind(address)
            made.listen(_BACKLOG)
        except BaseException:
            made.close()
            raise
        return made
    except (OSError, OverflowError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} is in use on {host}; give another --port (0 takes a free one)."
            ) from error
        if getattr(error, "errno", None) == errno.EACCES:
            raise UsageError(
                f"This user may not listen on port {port}; give a --port from 1024 on."
            ) from error
        raise UsageError(
            f"--host {host} --port {port} cannot be listened on: "
            f"{getattr(error, 'strerror', None) or 'it is no address of this machine'}."
        ) from error
