# A crowd before live.py, through the proxy: audience.py PROXY ADMIN ORIGIN COUNT SECONDS; the figures as one line of JSON.
# How late the first event of each was; the oldest transaction with a scanner meanwhile; how soon all is gone when they leave.
import asyncio
import itertools
import json
import resource
import socket
import sys
import time

from live_stamp import sent_at

KINDS = ["sse", "chunks", "mixed", "poll"]
RAMP = 200  # clients that come in a second
SAMPLE = 0.1  # seconds between two looks at the metrics
GRACE = 30  # seconds in which all must be gone


class Client:
    """One that watches one ticker."""

    def __init__(self, number, proxy, origin):
        self.number, self.kind = number, KINDS[number % len(KINDS)]
        self.proxy, self.origin = proxy, origin
        self.first = None  # seconds from the sending of the first event to its coming
        self.events = 0
        self.wrong = None
        self.writer = None

    async def run(self):
        try:
            # 10 for each address: limits are not what this is about.
            local = (f"127.0.0.{2 + self.number // 10}", 0)
            reader, self.writer = await asyncio.open_connection(*self.proxy, local_addr=local, limit=1 << 20)
            if self.kind == "poll":
                await self.poll(reader)
            else:
                await self.watch(reader)
        except (OSError, asyncio.IncompleteReadError) as fault:
            self.wrong = self.wrong or repr(fault)

    def ask(self, query=""):
        accept = "Accept: text/event-stream\r\n" if self.kind == "sse" else ""
        self.writer.write(
            f"GET http://{self.origin}/{self.kind}/{self.number}{query} HTTP/1.1\r\nHost: {self.origin}\r\n{accept}\r\n".encode())

    async def watch(self, reader):
        self.ask()
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            self.wrong = head.split(b"\r\n")[0].decode()
            return
        rest = b""
        while data := await reader.read(65536):
            rest = self.count(rest + data)
        self.wrong = "it ended"

    async def poll(self, reader):
        for turn in itertools.count():
            self.ask(f"?sys.utime={turn}")
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if not head.startswith(b"HTTP/1.1 200 ") or not length:
                self.wrong = head.split(b"\r\n")[0].decode()
                return
            self.count(await reader.readexactly(int(length[0].split(b":")[1])))

    def count(self, data):
        """Counts the events in `data`; what may be the beginning of one is left."""
        times, rest = sent_at(data)
        if times and self.first is None:
            self.first = (time.monotonic_ns() - times[0]) / 1e9
        self.events += len(times)
        return rest

    def leave(self):
        if self.writer:
            self.writer.transport.abort()


async def metrics(admin, names):
    """The sums of these metrics over all their labels."""
    reader, writer = await asyncio.open_connection(*admin)
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: {admin[0]}\r\nConnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    sums = dict.fromkeys(names, 0.0)
    for line in text.splitlines():
        name = line.split("{")[0].split(" ")[0]
        if name in sums:
            sums[name] += float(line.rsplit(" ", 1)[1])
    return sums


LEFT = ["tether_scan_bytes_held", "tether_scan_bodies_held", "tether_icap_open", "tether_orphan_upstreams",
        "tether_upstream_connections"]
OLDEST = "tether_icap_oldest_open_seconds"
WINDOWS = "tether_scan_windows_total"


async def sample(admin, seen):
    while True:
        now = await metrics(admin, [*LEFT, OLDEST])
        for name, value in now.items():
            seen[name] = max(seen.get(name, 0.0), value)
        await asyncio.sleep(SAMPLE)


async def until_gone(admin):
    """Seconds until nothing is left, or what is."""
    began = time.monotonic()
    while time.monotonic() < began + GRACE:
        asked = time.monotonic()
        left = {name: value for name, value in (await metrics(admin, LEFT)).items() if value}
        if not left:
            return asked - began, {}
        await asyncio.sleep(0.02)
    return float("inf"), left


def worst(clients, kind):
    return max(round((one.first or 1e9) * 1000, 1) for one in clients if one.kind == kind)


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    (proxy, admin), origin = (one.rsplit(":", 1) for one in sys.argv[1:3]), sys.argv[3]
    proxy, admin = (proxy[0], int(proxy[1])), (admin[0], int(admin[1]))
    count, seconds = int(sys.argv[4]), float(sys.argv[5])
    seen = {}
    sampling = asyncio.ensure_future(sample(admin, seen))
    clients = [Client(number, proxy, origin) for number in range(count)]
    tasks = []
    for client in clients:
        tasks.append(asyncio.ensure_future(client.run()))
        await asyncio.sleep(1 / RAMP)
    await asyncio.sleep(seconds)
    wrong = [f"{one.kind} {one.number}: {one.wrong}" for one in clients if one.wrong]
    fewest = min(one.events for one in clients)
    windows = (await metrics(admin, [WINDOWS]))[WINDOWS]
    sampling.cancel()
    for task in tasks:
        task.cancel()
    for client in clients:
        client.leave()
    gone, left = await until_gone(admin)
    figures = {f"{kind}_ms": worst(clients, kind) for kind in KINDS}
    print(json.dumps(figures | {
        "oldest_s": round(seen[OLDEST], 3), "gone_s": round(gone, 3), "fewest": fewest, "windows": int(windows),
        "wrong": len(wrong), "orphans_seen": int(seen["tether_orphan_upstreams"]),
        "held_most": int(seen["tether_scan_bytes_held"]), "left": left, "first_wrong": wrong[:3]}))


asyncio.run(main())
