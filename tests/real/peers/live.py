# An origin of live tickers in four kinds; prints its port. Every event tells when it was sent, by the machine's clock.
import argparse
import asyncio
import time
import urllib.parse

import live_stamp

HEAD = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n"
CHUNKED = HEAD + "Content-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n"
FAST, SLOW = 0.5, 2.0  # seconds between two events; whoever does not say what it is shows by its silences


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event():
    return b"data: %s score 1:0\n\n" % live_stamp.now()


def line():
    return b"%s score 1:0\n" % live_stamp.now()


def part():
    return b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff%s%s\r\n" % (live_stamp.now(), b"x" * 2000)


STREAMS = {
    "sse": ("text/event-stream", event, FAST),
    "chunks": ("text/plain", line, SLOW),
    "mixed": ("multipart/x-mixed-replace; boundary=frame", part, FAST),
}


async def stream(writer, kind, query):
    """Events without an end; with `infected`, the third one carries that text, cut in two chunks in its middle."""
    media_type, write, pause = STREAMS[kind]
    writer.write(CHUNKED.format(media_type).encode())
    number, infection = 0, query.get("infected", "")
    while True:
        number += 1
        if infection and number == 3:
            bad = infection.encode("latin-1")
            writer.write(chunk(b"data: " + bad[:30]))
            await writer.drain()
            await asyncio.sleep(0.3)
            writer.write(chunk(bad[30:] + b"\n\n"))
        else:
            writer.write(chunk(write()))
        await writer.drain()
        # A goal is a goal for everybody: all have their events in the same moment, after the first.
        wait = pause - time.monotonic() % pause
        await asyncio.sleep(wait + pause if number == 1 else wait)


async def long_poll(writer):
    """One answer, after a while."""
    await asyncio.sleep(1.0)
    body = b'{"score":"%s"}\n' % live_stamp.now()
    head = HEAD + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            target = head.split(b" ", 2)[1].decode()
            path, _, query = target.partition("?")
            kind = path.split("/")[1]
            if kind == "poll":
                await long_poll(writer)
                continue
            query = {name: values[-1] for name, values in urllib.parse.parse_qs(query, encoding="latin-1").items()}
            sending = asyncio.ensure_future(stream(writer, kind, query))
            # A client that has gone says so on its own side only.
            leaving = asyncio.ensure_future(reader.read(1))
            _, pending = await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            for one in pending:
                one.cancel()
            return
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bind", default="127.0.0.1")
    options = arguments.parse_args()
    server = await asyncio.start_server(serve, options.bind, 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
