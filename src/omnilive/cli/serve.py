"""`omnilive serve`: the page, conversations, and the memory over HTTP."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from omnilive.cli import options
from omnilive.errors import UsageError
from omnilive.serving import wire

if TYPE_CHECKING:
    from omnilive.web.server import Server

EXAMPLES = """
Examples:

omnilive serve

omnilive serve --store door --open

omnilive serve --host 0.0.0.0 --tls self

omnilive serve --behind-proxy --allow-host omni.example.org

omnilive serve --json | jq -r .link
"""


def serve(
    store: options.Store = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than loopback need TLS.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8080,
    max_sessions: Annotated[
        int | None,
        typer.Option("--max-sessions", min=1, max=1000, help="Conversations at once."),
    ] = None,
    tls: Annotated[
        str, typer.Option("--tls", help="self: make a certificate and print its fingerprint.")
    ] = "",
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Your own certificate (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="A proxy with TLS stands before it; name its hosts."),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", help="A name it may be spoken to by (NAME or NAME:PORT); repeat."
        ),
    ] = None,
    ice_address: Annotated[
        list[str] | None,
        typer.Option(
            "--ice-address",
            help="Address of this machine at which WebRTC media may come in; repeat.",
        ),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = False,
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    preset: options.Preset = None,
    weights: options.Weights = None,
    config: options.ConfigFile = None,
    settings: options.Set = None,
) -> None:
    """Serve the page: talk with it, look into the memory, ask; also while `watch` runs.

    The link that is printed holds a token that lets in; OMNILIVE_TOKEN sets your own.
    """
    if tls not in ("", "self"):
        raise UsageError(
            '--tls is "self"; for a certificate of your own, --tls-cert and --tls-key.'
        )
    chosen = options.configure(config, preset, settings, vlm, vlm_model, weights)
    from omnilive.web.server import Server, ServerOptions, with_max_sessions

    server = Server(
        with_max_sessions(chosen, max_sessions),
        store,
        ServerOptions(
            host=host,
            port=port,
            certificate=tls_cert,
            key=tls_key,
            own_tls=tls == "self",
            behind_proxy=behind_proxy,
            allow_hosts=tuple(allow_host or ()),
            ice_addresses=tuple(ice_address or ()),
            token=os.environ.get("OMNILIVE_TOKEN", ""),
        ),
    )
    ending = _Ending(server)
    with ending:
        server.start()
        _tell(server, as_json=as_json)
        if open_:
            typer.launch(server.link)
        ending.wait()
    if as_json:
        sys.stdout.write(wire.dumps({"event": "stopped"}) + "\n")
    else:
        Console(stderr=True).print("Stopped; everything perceived is remembered.")


class _Ending:
    """Ends a server on Ctrl-C or SIGTERM: once gracefully, twice in a hurry, thrice at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked = threading.Event()
        self._times = 0

    def __enter__(self) -> _Ending:
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        # In a thread, so that a second signal is still heard.
        stopping = threading.Thread(target=self._server.stop, name="omnilive stops")
        stopping.start()
        while stopping.is_alive():
            stopping.join(0.2)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self) -> None:
        """Wait until somebody wants the end."""
        while not self._asked.wait(0.5):
            self._server.check()

    def _on_signal(self, *_: object) -> None:
        self._times += 1
        self._asked.set()
        if self._times == 2:
            self._server.hurry()
        elif self._times > 2:
            os._exit(130)


def _tell(server: Server, *, as_json: bool) -> None:
    house = server.context.house
    fingerprint = server.certificate.fingerprint if server.certificate is not None else ""
    if as_json:
        about: wire.Json = {
            "event": "serving",
            "link": server.link,
            "address": server.address,
            "addresses": list(server.addresses),
            "token": server.token,
            "fingerprint": fingerprint,
            "store": str(server.store),
            "remembers": house.remembers,
            "refusal": house.refusal,
            "leaves_machine": list(server.context.leaves_machine),
        }
        sys.stdout.write(wire.dumps(about) + "\n")
        sys.stdout.flush()
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Open  ", "dim"), (server.link, "bold")))
    for address in server.addresses:
        console.print(Text(f"      from other machines: {address}, with the same token", "dim"))
    if fingerprint:
        console.print(Text("The browser will warn: the certificate was made here. Its SHA-256 is"))
        console.print(Text(f"      {fingerprint}"))
    console.print(Text(f"Memory: {server.store}", "dim"))
    if not house.remembers:
        console.print(Text(f"Only looking: {house.refusal}", "yellow"))
    for sentence in server.context.leaves_machine or ("Nothing leaves this machine.",):
        console.print(Text(sentence, "dim"))
    console.print(Text("Ctrl-C ends it.", "dim"))
