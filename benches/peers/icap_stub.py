# An ICAP server that finds nothing in anything, as fast as can be: the scanner of the measurement "respmod".
"""A process of its own, so that its CPU is not the proxy's. It wants no preview, reads each message to its end and answers
204; OPTIONS tells how many messages it has answered so far."""

import json
import os
import re
import select
import socket
import sys

import loopback
from processes import CannotMeasure, Process

TAG = b'ISTag: "stub-1"\r\n'
UNCHANGED = b"ICAP/1.0 204 Unmodified\r\n" + TAG + b"\r\n"
OPTIONS = (b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\n" + TAG + b"Options-TTL: 3600\r\nAllow: 204\r\nMax-Connections: 1000\r\n"
           b"Encapsulated: null-body=0\r\nX-Messages: %d\r\n\r\n")
BODY_AT = re.compile(rb"\r\nEncapsulated:[^\r]*?(null|req|res|opt)-body=([0-9]+)", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"  # behind the chunks before it; the bodies here are not empty


class IcapStub:
    """The server itself: one thread, as many connections as come."""

    def __init__(self):
        self.listener = socket.create_server((loopback.PROXY, 0), backlog=1024)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.open = {}  # fd -> [socket, bytes of messages not answered yet]
        self.messages = 0

    def step(self):
        for fd, _ in self.epoll.poll(1.0):
            if fd == self.listener.fileno():
                self._accept()
            else:
                self._serve(fd)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[sock.fileno()] = [sock, b""]
            self.epoll.register(sock, select.EPOLLIN)

    def _serve(self, fd):
        connection = self.open[fd]
        sock, waiting = connection
        try:
            data = sock.recv(65536)
            waiting += data
            answers = b""
            while (end := _message_end(waiting)) is not None:
                answers += self._answer(waiting)
                waiting = waiting[end:]
            connection[1] = waiting
            if answers:
                sock.send(answers)  # small, to somebody who waits for it: always whole
        except OSError:
            data = b""
        if not data:
            del self.open[fd]
            sock.close()

    def _answer(self, message):
        if message.startswith(b"OPTIONS "):
            return OPTIONS % self.messages
        self.messages += 1
        return UNCHANGED


def _message_end(data):
    """Where the message at the front of `data` ends, or None while it is not whole."""
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return None
    found = BODY_AT.search(data, 0, head)
    if not found:
        return head
    body = head + int(found[2])
    if found[1].lower() in (b"null", b"opt"):
        return body if len(data) >= body else None
    end = data.find(LAST_CHUNK, body)
    return None if end < 0 else end + len(LAST_CHUNK)


class IcapStubProcess:
    """The stub, running; `url` is its service."""

    def __init__(self, directory):
        self._process = Process("icap-stub", [sys.executable, os.path.abspath(__file__)], directory, pipe_stdout=True)
        self.address = tuple(json.loads(self._process.stdout.readline() or "[]"))
        if not self.address:
            raise CannotMeasure(f"no ICAP server: {self._process.last_words()}")
        self.url = f"icap://{loopback.host_port(self.address)}/respmod"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop(grace=1.0)

    def messages(self):
        """How many it has answered since it began."""
        with socket.create_connection(self.address, timeout=10) as sock:
            sock.sendall(f"OPTIONS {self.url} ICAP/1.0\r\nHost: {self.address[0]}\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(4096) or b"\r\n\r\n"
        return int(re.search(rb"X-Messages: ([0-9]+)", answer)[1])


def serve():
    stub = IcapStub()
    print(json.dumps(stub.listener.getsockname()), flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        stub.step()


if __name__ == "__main__":
    serve()
