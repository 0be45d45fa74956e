# WebSocket frames (RFC 6455) over a blocking socket file: what the client and the origin of the checks share.
import base64
import hashlib
import os
import struct

TEXT, BINARY, CLOSE = 1, 2, 8
NORMAL = struct.pack(">H", 1000)


def accept_key(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def masked(payload, mask):
    pattern = mask * (len(payload) // 4 + 1)
    size = len(payload)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern[:size], "big")).to_bytes(size, "big")


def write_frame(file, kind, payload, mask):
    head = bytes([0x80 | kind])
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 1 << 16:
        head += struct.pack(">BH", flag | 126, len(payload))
    else:
        head += struct.pack(">BQ", flag | 127, len(payload))
    if mask:
        key = os.urandom(4)
        head, payload = head + key, masked(payload, key)
    file.write(head + payload)
    file.flush()


def read_frame(file):
    first, second = exactly(file, 2)
    size = second & 0x7F
    if size == 126:
        size = struct.unpack(">H", exactly(file, 2))[0]
    elif size == 127:
        size = struct.unpack(">Q", exactly(file, 8))[0]
    key = exactly(file, 4) if second & 0x80 else b""
    payload = exactly(file, size)
    return first & 0x0F, masked(payload, key) if key else payload


def exactly(file, size):
    data = file.read(size)
    if len(data) != size:
        raise EOFError(f"{len(data)} of {size} bytes")
    return data
