# Tunnels in bulk: a few CONNECT tunnels, one big GET through each, and the CPU time the proxy spent on the bytes.
"""The client throws the bytes away in the kernel (MSG_TRUNC), so that it costs the machine next to nothing."""

import select
import socket
import time

import loopback
from processes import CannotMeasure
from stream_client import connect

TUNNELS = 4
READ = 1 << 20
TIMEOUT = 120.0


def bulk_tunnels(proxy, origin):
    """One big file through each of the tunnels at once: megabytes per second, CPU seconds per gigabyte."""
    size = origin.sizes["big"]
    before = proxy.cpu_seconds()
    started = time.monotonic()
    sockets = []
    try:
        for index in range(TUNNELS):
            sockets.append(_open(proxy, origin, loopback.SOURCES[index]))
        _discard({sock.fileno(): [sock, size - _begin_body(sock, origin, size)] for sock in sockets})
        elapsed = time.monotonic() - started
        spent = proxy.cpu_seconds() - before if proxy.plain else None
    except OSError as error:
        raise CannotMeasure(f"a tunnel broke: {error}") from error
    finally:
        for sock in sockets:
            sock.close()
    proxy.check_alive()
    moved = size * TUNNELS
    figures = {"mb_per_s": moved / elapsed / 1e6, "bytes": moved, "cpu_s": spent}
    if spent is not None:
        figures["cpu_s_per_gb"] = spent / moved * 1e9
    return figures


def _open(proxy, origin, source):
    sock = socket.create_connection(proxy.tunnel or origin.address, timeout=TIMEOUT, source_address=(source, 0))
    try:
        if proxy.connects:
            sock.sendall(connect(origin.address))
            head, rest = _read_head(sock)
            if rest or not head.split(b" ", 2)[1] == b"200":
                raise CannotMeasure(f"CONNECT was answered {head.splitlines()[0].decode(errors='replace')}")
        return sock
    except BaseException:
        sock.close()
        raise


def _read_head(sock):
    """The head of a response, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            raise CannotMeasure(f"closed in a response head after {data[:80]!r}")
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest


def _begin_body(sock, origin, size):
    """Asks for the big file and reads the response head; returns how much of the body came with it."""
    sock.sendall(f"GET /big HTTP/1.1\r\nHost: {loopback.host_port(origin.address)}\r\n\r\n".encode())
    head, rest = _read_head(sock)
    if b" 200 " not in head.splitlines()[0] or f"Content-Length: {size}".encode() not in head:
        raise CannotMeasure(f"the origin answered {head.splitlines()[0].decode(errors='replace')} in a tunnel")
    return len(rest)


def _discard(waiting):
    """Takes the outstanding bytes of every socket in `waiting`, fd -> [socket, bytes]."""
    scratch = bytearray(READ)  # required by the call, never written to
    with select.epoll() as epoll:
        for sock, _ in waiting.values():
            sock.setblocking(False)
            epoll.register(sock, select.EPOLLIN)
        deadline = time.monotonic() + TIMEOUT
        while waiting:
            for fd, _ in epoll.poll(1.0):
                sock, left = waiting[fd]
                got = sock.recv_into(scratch, min(READ, left), socket.MSG_TRUNC)
                if not got:
                    raise CannotMeasure(f"a tunnel ended {left} bytes early")
                waiting[fd][1] -= got
                if waiting[fd][1] == 0:
                    epoll.unregister(fd)
                    del waiting[fd]
            if time.monotonic() > deadline:
                raise CannotMeasure(f"the tunnels did not end within {TIMEOUT:.0f} s")
