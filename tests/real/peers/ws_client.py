# A WebSocket client behind a proxy: ws_client.py PROXY ORIGIN upgrade|connect COUNT; every message must come back.
import base64
import os
import random
import socket
import sys

import frames


def read_head(file):
    status = file.readline().decode().strip()
    fields = {}
    while (line := file.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return status, fields


def connect(file, origin):
    file.write(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n".encode())
    file.flush()
    status, _ = read_head(file)
    assert status.startswith("HTTP/1.1 200"), status


def upgrade(file, target, origin):
    key = base64.b64encode(os.urandom(16)).decode()
    file.write(
        f"GET {target} HTTP/1.1\r\nHost: {origin}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    file.flush()
    status, fields = read_head(file)
    assert status.startswith("HTTP/1.1 101"), status
    assert fields["upgrade"].lower() == "websocket" and fields["sec-websocket-accept"] == frames.accept_key(key), fields


def main(proxy, origin, mode, count):
    host, port = proxy.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as peer:
        file = peer.makefile("rwb")
        if mode == "connect":
            connect(file, origin)
        upgrade(file, "/ws" if mode == "connect" else f"http://{origin}/ws", origin)
        for number in range(count):
            message = os.urandom(random.choice([1, 125, 126, 1000, 65_535, 65_536, 200_000]))
            frames.write_frame(file, frames.BINARY, message, mask=True)
            assert frames.read_frame(file) == (frames.BINARY, message), f"message {number} changed"
        frames.write_frame(file, frames.CLOSE, frames.NORMAL, mask=True)
        assert frames.read_frame(file) == (frames.CLOSE, frames.NORMAL), "no close came back"
    print(f"{count} messages echoed, closed with 1000")


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
