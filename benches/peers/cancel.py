# The client leaves: time from its close() to the moment the origin is told, and streams left there a second later.
"""Client and origin share one process, one thread and one clock. Streams are silent when their clients leave, and they
leave one at a time, so that the measurement does not queue on itself."""

import gc
import socket
import time

from processes import CannotMeasure
from stream_client import Streams, get, stream_steps
from stream_origin import CLOSE_WITH_RESET

APART = 0.002  # seconds between two clients that leave
GRACE = 1.0  # seconds after the last one, then what is still open counts as left
NEVER = float("inf")

WAYS = {
    "fin": "close()",
    "rst": "close() with zero linger: a reset",
    "fin-behind-request": "close() behind one pipelined request",
    "fin-behind-32k": "close() behind 32 KiB of pipelined requests: more than a proxy reads ahead",
}
PIPELINED = {"fin-behind-request": 1, "fin-behind-32k": 32 * 1024}  # at least so many bytes, in whole requests


def leave(proxy, origin, way, count):
    """Opens `count` streams, closes them in one `way`: delays in ms (`NEVER` for those left), and how many are left."""
    origin.drop_connections()
    with Streams(proxy, origin.addresses, stream_steps) as streams:
        streams.open_up_to(count, origin)
        _serve(origin, 0.2)
        if way in PIPELINED:
            request = get(origin.addresses[0], "behind", absolute=proxy.plain is not None)
            _pipeline(streams.open.values(), request * -(-PIPELINED[way] // len(request)))
            _serve(origin, 0.3)
        _read_everything(streams.open.values())
        closed = _close_one_by_one(streams.open, origin, way)
        _serve(origin, GRACE)
    proxy.check_alive()
    latencies = [(origin.ends[name] - at) / 1e6 if name in origin.ends else NEVER for name, at in closed.items()]
    left = latencies.count(NEVER)
    origin.drop_connections()
    _serve(origin, 0.1)
    return {"ms": latencies, "left": left}


def _serve(origin, seconds):
    """Gives the origin its turns for a while."""
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        origin.step(remaining)


def _pipeline(sockets, requests):
    """Sends more requests behind the one that is being answered for ever."""
    try:
        for sock in sockets:
            sock.settimeout(5.0)
            sock.sendall(requests)
            sock.setblocking(False)
    except OSError as error:
        raise CannotMeasure(f"a stream took no pipelined requests: {error}") from error


def _read_everything(sockets):
    """Empties the receive buffers: closing over unread bytes would send a reset instead of a FIN."""
    for sock in sockets:
        try:
            while sock.recv(65536):
                pass
            raise CannotMeasure("a stream ended before its client left")
        except BlockingIOError:
            pass
        except OSError as error:
            raise CannotMeasure(f"a stream broke before its client left: {error}") from error


def _close_one_by_one(sockets, origin, way):
    """Closes them all; name -> monotonic ns just before its close()."""
    closed = {}
    gc.collect()
    gc.disable()
    try:
        while sockets:
            name, sock = sockets.popitem()
            if way == "rst":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITH_RESET)
            closed[name] = time.monotonic_ns()
            sock.close()
            _serve(origin, APART)
    finally:
        gc.enable()
    return closed
