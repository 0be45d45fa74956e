# The client of streams and tunnels: opens many through a proxy, each until its first answer, and keeps them.
"""Single-threaded and paced: at most `IN_FLIGHT` are being opened at a time, so that a proxy's listen queue is never
what is measured."""

import select
import time

import loopback
from loopback import host_port
from processes import CannotMeasure

IN_FLIGHT = 64
HELLO = b"hello\n"


def get(origin, name, absolute=True):
    """A GET for the stream `name`, in the form a proxy (absolute) or an origin takes."""
    authority = host_port(origin)
    target = f"http://{authority}/{name}" if absolute else f"/{name}"
    return f"GET {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/event-stream\r\n\r\n".encode()


def connect(origin):
    authority = host_port(origin)
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()


def stream_steps(proxy, origin, name):
    """What to send and what to wait for, in order: here a GET and the first event."""
    return [(get(origin, name, absolute=proxy.plain is not None), b"data: 0\n\n")]


def tunnel_steps(proxy, origin, _name):
    """A CONNECT where the proxy speaks it, then one message there and back."""
    steps = [(connect(origin), b"\r\n\r\n")] if proxy.connects else []
    return steps + [(HELLO, HELLO)]


class Opening:
    """One connection on its way through its steps."""

    def __init__(self, name, sock, steps):
        self.name = name
        self.sock = sock
        self.steps = steps
        self.received = b""
        self.sent = False

    def advance(self, mask):
        """Does what the socket is ready for. True when the last step is done."""
        if not self.sent:
            self.sock.send(self.steps[0][0])  # small, into an empty socket buffer: always whole; raises if refused
            self.sent = True
        if mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read()
        return not self.steps

    def _read(self):
        data = self.sock.recv(65536)
        if not data:
            raise CannotMeasure(f"stream {self.name}: closed after {self.received[:80]!r}")
        self.received += data
        request, awaited = self.steps[0]
        if request is not HELLO and len(self.received) > 12 and self.received[8:12] != b" 200":
            answer = self.received.splitlines()[0].decode(errors="replace")
            raise CannotMeasure(f"stream {self.name}: answered {answer}")
        if awaited in self.received:
            self.steps.pop(0)
            self.received = b""
            if self.steps:
                self.sock.send(self.steps[0][0])


class Streams:
    """The streams or tunnels open through one proxy, by name."""

    def __init__(self, proxy, origins, steps, sources=loopback.SOURCES):
        self._proxy = proxy
        self._origins = origins
        self._steps = steps
        self._sources = sources
        self._watch = select.epoll()
        self._opening = {}
        self._epoll = select.epoll()
        self._serial = 0
        self.open = {}  # name -> socket

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_all()
        self._epoll.close()
        self._watch.close()

    def open_up_to(self, count, origin=None, seconds=120.0):
        """Opens more until `count` are open. `origin`: one that lives in this process and must be given its turns."""
        deadline = time.monotonic() + seconds
        while len(self.open) < count:
            while len(self._opening) < IN_FLIGHT and len(self.open) + len(self._opening) < count:
                self._begin()
            served = origin.step(0) if origin else False
            for fd, mask in self._epoll.poll(0 if served else 0.001 if origin else 1.0):
                opening = self._opening[fd]
                try:
                    done = opening.advance(mask)
                except OSError as error:
                    raise CannotMeasure(f"stream {opening.name} of {count}: {error}") from error
                if done:
                    self._finish(fd)
                else:
                    self._epoll.modify(fd, select.EPOLLIN)
            if time.monotonic() > deadline:
                raise CannotMeasure(f"only {len(self.open)} of {count} streams open after {seconds:.0f} s")

    def _begin(self):
        serial = self._serial
        self._serial += 1
        # Walk through all pairs of source and origin.
        source = self._sources[serial % len(self._sources)]
        origin = self._origins[(serial + serial // len(self._sources)) % len(self._origins)]
        steps = self._steps(self._proxy, origin, f"s{serial}")
        sock = loopback.connect_from(source, self._entrance() or origin)
        self._opening[sock.fileno()] = Opening(f"s{serial}", sock, steps)
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def _entrance(self):
        return self._proxy.tunnel if self._steps is tunnel_steps else self._proxy.plain

    def _finish(self, fd):
        opening = self._opening.pop(fd)
        self._epoll.unregister(fd)
        self._watch.register(fd, select.EPOLLRDHUP)
        self.open[opening.name] = opening.sock

    def broken(self):
        """How many of the open ones the other side has ended."""
        return len(self._watch.poll(0, max(1, len(self.open))))

    def close_all(self):
        for sock in self.open.values():
            sock.close()
        for opening in self._opening.values():
            opening.sock.close()
        self.open.clear()
        self._opening.clear()
