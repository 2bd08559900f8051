"""The process that reads one network source or camera: `python -m omnilive.media.child`.

FFmpeg can hang in a network call for ever; a process can be killed. The address comes on
standard input, because what stands on a command line is seen by every user of the machine.
Standard input stays open for as long as the parent lives; its end ends this process.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import BinaryIO

import msgspec

from omnilive.errors import MediaError
from omnilive.media.container_reader import ContainerReader
from omnilive.media.wire import Failed, Order, write_message


def main() -> int:
    """Read the order, open the source, send what comes until it ends or nobody listens."""
    orders, out = sys.stdin.buffer, sys.stdout.buffer
    # Nothing else may write into the pipe of messages.
    sys.stdout = sys.stderr
    order = msgspec.json.decode(orders.readline(), type=Order)
    threading.Thread(target=_leave_with_parent, args=(orders,), daemon=True).start()
    try:
        reader = ContainerReader(order.source(), order.options())
    except MediaError as error:
        write_message(out, Failed(str(error)))
        return 0
    try:
        write_message(out, reader.info)
        # The parent moves the times; wall times of a file begin at 0 here likewise.
        for event in reader.events(stream=0, at_ns=0, wall_ns=0):
            write_message(out, event)
    except BrokenPipeError:
        # The parent has gone; the interpreter's last flush must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _leave_with_parent(orders: BinaryIO) -> None:
    while orders.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
