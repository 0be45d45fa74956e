# An origin whose kept connections are traps: keeper.py TRAP; prints its port. GET /counts says what came so far.
#   keep    answers for ever            fin     sends FIN behind each answer
#   idle    closes after --idle s       reset   reads the second request of a connection and sends RST
#   silent  after its answer nothing from that peer arrives any more: its port goes into --set, which nftables drops
import argparse
import asyncio
import collections
import json
import socket
import struct
import subprocess

BODY = b"x" * 1000
RESET = struct.pack("ii", 1, 0)


class Keeper:
    def __init__(self, options):
        self.options = options
        self.connections = 0
        self.ids = {"GET": collections.Counter(), "POST": collections.Counter()}
        self.firewall, self.turn = None, asyncio.Lock()
        if options.trap == "silent":
            self.firewall = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    async def serve(self, reader, writer):
        self.connections += 1
        peer = writer.get_extra_info("peername")
        answered = 0
        try:
            while True:
                idle = self.options.idle if answered else None
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle)
                if answered and self.options.trap == "reset":
                    return self.reset(writer)
                method, path = head.decode().split(" ")[:2]
                if path == "/counts":
                    self.connections -= 1
                    return await self.answer(writer, json.dumps(self.counts()).encode(), b"Connection: close\r\n")
                if method == "POST":
                    await reader.readexactly(length(head))
                self.ids[method][path] += 1
                if self.firewall:
                    async with self.turn:
                        await asyncio.to_thread(self.drop_all_from, peer[1])
                await self.answer(writer, BODY)
                answered += 1
                if self.options.trap == "fin":
                    return
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, writer, body, fields=b""):
        writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (fields, len(body), body))
        await writer.drain()

    def reset(self, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def drop_all_from(self, port):
        # What is listed behind the change comes only once the change is made.
        self.firewall.stdin.write(f"add element {self.options.set} {{ {port} }}\nlist tables\n")
        self.firewall.stdin.flush()
        while "table" not in self.firewall.stdout.readline():
            pass

    def counts(self):
        posts = self.ids["POST"]
        return {"connections": self.connections, "gets": len(self.ids["GET"]), "posts": len(posts),
                "posts_twice": sum(1 for count in posts.values() if count > 1)}


def length(head):
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


async def main(options):
    server = await asyncio.start_server(Keeper(options).serve, options.bind, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


arguments = argparse.ArgumentParser()
arguments.add_argument("trap", choices=["keep", "fin", "idle", "reset", "silent"])
arguments.add_argument("--bind", default="127.0.0.1")
arguments.add_argument("--idle", type=float, help="seconds of silence after an answer")
arguments.add_argument("--set", default="ip silence gone", help="family, table and name of the set of silent ports")
asyncio.run(main(arguments.parse_args()))
