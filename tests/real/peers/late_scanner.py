# An ICAP server that says nothing before the end of what it is sent, as real ones do; prints its port. What looks like the
# EICAR test file it refuses. In --directory it leaves, twice a second, as "slowest" the longest time from the head of a
# message to its end, in seconds, and as "messages" how many there were.
import argparse
import asyncio
import pathlib
import time

INFECTED = b"STANDARD-ANTIVIRUS-" + b"TEST-FILE"
TAG = b'ISTag: "late-1"\r\n'
OPTIONS = (b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\n" + TAG
           + b"Options-TTL: 3600\r\nAllow: 204\r\nMax-Connections: 64\r\nEncapsulated: null-body=0\r\n\r\n")
UNCHANGED = b"ICAP/1.0 204 Unmodified\r\n" + TAG + b"\r\n"
PAGE = b"late scanner: refused\n"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(PAGE)
REFUSED = (b"ICAP/1.0 200 OK\r\n" + TAG + b"X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Late;\r\n"
           + b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(REFUSAL) + REFUSAL
           + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE))


class Scanner:
    """What its connections share."""

    def __init__(self, directory):
        self.directory, self.slowest, self.messages = directory, 0.0, 0

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                began = time.monotonic()
                if head.startswith(b"OPTIONS "):
                    writer.write(OPTIONS)
                    continue
                body = await self.message(reader, writer, head.lower())
                writer.write(REFUSED if INFECTED in body else UNCHANGED)
                await writer.drain()
                self.note(time.monotonic() - began)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def message(self, reader, writer, head):
        """Everything that is encapsulated, to its end."""
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        parts = dict(part.strip().split(b"=") for part in fields[b"encapsulated"].split(b","))
        heads = next(int(at) for name, at in parts.items() if name.endswith(b"-body"))
        await reader.readexactly(heads)
        if b"null-body" in parts:
            return b""
        body, complete = await self.chunks(reader)
        if b"preview" in fields and not complete:
            writer.write(b"ICAP/1.0 100 Continue\r\n\r\n")
            more, _ = await self.chunks(reader)
            body += more
        return body

    async def chunks(self, reader):
        """A chunked body, and whether its end said that nothing follows the preview."""
        body = bytearray()
        while True:
            size, _, extension = (await reader.readline()).partition(b";")
            if not size:
                raise ConnectionResetError
            if not int(size, 16):
                await reader.readline()
                return bytes(body), b"ieof" in extension
            body += await reader.readexactly(int(size, 16))
            await reader.readline()

    def note(self, seconds):
        self.messages += 1
        self.slowest = max(self.slowest, seconds)

    async def tell(self):
        while True:
            for name, text in (("slowest", f"{self.slowest:.3f}"), ("messages", str(self.messages))):
                part = self.directory / f"{name}.part"
                part.write_text(text)
                part.rename(self.directory / name)
            await asyncio.sleep(0.5)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--directory", type=pathlib.Path, required=True)
    scanner = Scanner(arguments.parse_args().directory)
    server = await asyncio.start_server(scanner.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.gather(server.serve_forever(), scanner.tell())


asyncio.run(main())
