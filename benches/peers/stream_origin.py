# The origin for streams and tunnels: answers a GET with one event and then silence, echoes anything else.
"""Runs inside the benchmark (cancel: one clock for client and origin) or as a process of its own (held streams), which
prints its addresses as one JSON line and serves until it is stopped."""

import json
import os
import select
import socket
import sys
import time

import loopback
from processes import Process

EVENT = b"data: 0\n\n"
FIELDS = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n" + FIELDS + b"Transfer-Encoding: chunked\r\n\r\n9\r\n" + EVENT + b"\r\n"
UNFRAMED = b"HTTP/1.0 200 OK\r\n" + FIELDS + b"Connection: close\r\n\r\n" + EVENT
HANGUP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
CLOSE_WITH_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger {1, 0}: leaves no TIME_WAIT behind


class StreamOrigin:
    """Listens on every origin address; `step` does what is due. Streams are known by the last part of their path."""

    def __init__(self):
        self.epoll = select.epoll()
        self.ends = {}  # stream name -> monotonic ns at which its connection was reported closed
        self._listeners = {}
        self._open = {}  # fd -> [socket, stream name or None, bytes of an unfinished request head]
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
        except OSError:
            self._end(fd, now)

    def _end(self, fd, now):
        sock, name, _ = self._open.pop(fd)
        if name is not None:
            self.ends[name] = now
        sock.close()

    def drop_connections(self):
        """Resets every open connection and forgets all ends."""
        for sock, _, _ in self._open.values():
            sock.close()
        self._open.clear()
        self.ends.clear()

    def close(self):
        self.drop_connections()
        for listener in self._listeners.values():
            listener.close()
        self.epoll.close()


class StreamOriginProcess:
    """The same origin in a process of its own, so that its descriptors and its CPU are not the client's."""

    def __init__(self, directory):
        self._process = Process(
            "stream-origin", [sys.executable, os.path.abspath(__file__)], directory, pipe_stdout=True)
        self.addresses = [tuple(address) for address in json.loads(self._process.stdout.readline() or "[]")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop(grace=1.0)


def serve():
    origin = StreamOrigin()
    print(json.dumps(origin.addresses), flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        origin.step(1.0)


if __name__ == "__main__":
    serve()
