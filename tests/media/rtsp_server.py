"""A camera: gst-rtsp-server with H.265 and G.711 behind a password.

Run by the system's Python (its `gi` module is not on PyPI): rtsp_server.py USER PASSWORD [PORT].
Prints its port when it is ready; /main is H.265 + G.711, /sub is a small H.264. Ends with stdin.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

MAIN = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=192,framerate=10/1 "
    "! x265enc speed-preset=ultrafast tune=zerolatency key-int-max=10 ! h265parse "
    "! rtph265pay name=pay0 pt=96 config-interval=-1 "
    "audiotestsrc is-live=true freq=440 ! audio/x-raw,rate=8000,channels=1 ! alawenc "
    "! rtppcmapay name=pay1 pt=8 )"
)
SUB = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=96,framerate=5/1 "
    "! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=5 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def main() -> None:
    user, password = sys.argv[1:3]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[3] if len(sys.argv) > 3 else "0")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    for path, launch in (("/main", MAIN), ("/sub", SUB)):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP, lambda *_: loop.quit())
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
