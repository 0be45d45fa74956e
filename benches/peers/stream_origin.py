# The origin for streams and tunnels: answers a GET with one event and then silence or ticks, echoes anything else.
"""Runs inside the benchmark (cancel: one clock for client and origin) or as a process of its own (held streams), which
prints its addresses as one JSON line and serves until it is stopped."""

import json
import os
import select
import signal
import socket
import sys
import time

import loopback
from processes import Process

EVENT = b"data: 0\n\n"
FIELDS = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
CHUNK = b"9\r\n" + EVENT + b"\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n" + FIELDS + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK
UNFRAMED = b"HTTP/1.0 200 OK\r\n" + FIELDS + b"Connection: close\r\n\r\n" + EVENT
TICK = 0.1  # seconds between two turns of ticking
HANGUP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
CLOSE_WITH_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger {1, 0}: leaves no TIME_WAIT behind


class StreamOrigin:
    """Listens on every origin address; `step` does what is due. Streams are known by the last part of their path."""

    def __init__(self):
        self.epoll = select.epoll()
        self.ends = {}  # stream name -> monotonic ns at which its connection was reported closed
        self._listeners = {}
        self._open = {}  # fd -> [socket, stream name or None, bytes of an unfinished request head]
        self._ticking = {}  # fd of a stream -> its next event as it goes out
        for address in loopback.ORIGINS:
            listener = socket.create_server((address, 0), backlog=4096)
            listener.setblocking(False)
            self._listeners[listener.fileno()] = listener
            self.epoll.register(listener, select.EPOLLIN)
        self.addresses = [listener.getsockname() for listener in self._listeners.values()]

    def step(self, timeout):
        """Handles what is ready, waiting at most `timeout` seconds for it. True when there was something."""
        events = self.epoll.poll(timeout)
        now = time.monotonic_ns()
        for fd, mask in events:
            if fd in self._listeners:
                self._accept(self._listeners[fd])
            elif mask & HANGUP:
                self._end(fd, now)
            else:
                self._read(fd, now)
        return bool(events)

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITH_RESET)
            self._open[sock.fileno()] = [sock, None, b""]
            self.epoll.register(sock, select.EPOLLIN | select.EPOLLRDHUP)

    def _read(self, fd, now):
        connection = self._open[fd]
        sock, name, head = connection
        try:
            data = head + sock.recv(65536)
            if len(data) == len(head):
                self._end(fd, now)
            elif name is not None:
                pass  # whatever comes behind the request of a stream stands in line for ever
            elif not data.startswith(b"GET "):
                sock.send(data)
            elif b"\r\n\r\n" not in data:
                connection[2] = data
            else:
                _, target, version = data.split(b"\r\n", 1)[0].split(b" ")
                connection[1:] = [target.rsplit(b"/", 1)[1].decode(), b""]
                sock.send(UNFRAMED if version == b"HTTP/1.0" else CHUNKED)
                self._ticking[fd] = EVENT if version == b"HTTP/1.0" else CHUNK
        except OSError:
            self._end(fd, now)

    def _end(self, fd, now):
        sock, name, _ = self._open.pop(fd)
        self._ticking.pop(fd, None)
        if name is not None:
            self.ends[name] = now
        sock.close()

    def tick(self, turn, turns, size=0):
        """One event for each stream whose turn it is: all have one in so many `turns`. `size`: its bytes, where that
        matters; then the answer is chunked."""
        large = _event(size) if size else None
        for fd in [fd for fd in self._ticking if fd % turns == turn % turns]:
            try:
                self._open[fd][0].send(large or self._ticking[fd])
            except BlockingIOError:
                pass  # whoever does not read misses one
            except OSError:
                self._end(fd, time.monotonic_ns())

    def drop_connections(self):
        """Resets every open connection and forgets all ends."""
        for sock, _, _ in self._open.values():
            sock.close()
        self._open.clear()
        self._ticking.clear()
        self.ends.clear()

    def close(self):
        self.drop_connections()
        for listener in self._listeners.values():
            listener.close()
        self.epoll.close()


def _event(size):
    """An event of so many bytes, as a chunk."""
    event = b"data: %s\n\n" % (b"x" * (size - 8))
    return b"%x\r\n%s\r\n" % (len(event), event)


class StreamOriginProcess:
    """The same origin in a process of its own, so that its descriptors and its CPU are not the client's."""

    def __init__(self, directory, tick_every=None, size=None):
        numbers = [str(one) for one in (tick_every, size) if one]
        argv = [sys.executable, os.path.abspath(__file__), *numbers]
        self._process = Process("stream-origin", argv, directory, pipe_stdout=True)
        self.addresses = [tuple(address) for address in json.loads(self._process.stdout.readline() or "[]")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop(grace=1.0)

    def tick_on(self):
        os.kill(self._process.pid, signal.SIGUSR1)

    def tick_off(self):
        os.kill(self._process.pid, signal.SIGUSR2)


def serve(tick_every, size):
    """With `tick_every`, each stream gets an event in so many seconds, spread over that time, until told to pause."""
    origin, ticks = StreamOrigin(), [True]
    signal.signal(signal.SIGUSR1, lambda *_: ticks.__setitem__(0, True))
    signal.signal(signal.SIGUSR2, lambda *_: ticks.__setitem__(0, False))
    print(json.dumps(origin.addresses), flush=True)
    parent, turn, due = os.getppid(), 0, time.monotonic() + TICK
    while os.getppid() == parent:
        origin.step(1.0 if tick_every is None else max(0.0, due - time.monotonic()))
        if tick_every is not None and time.monotonic() >= due:
            if ticks[0]:
                origin.tick(turn, round(tick_every / TICK), size)
            turn, due = turn + 1, due + TICK


if __name__ == "__main__":
    serve(float(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
