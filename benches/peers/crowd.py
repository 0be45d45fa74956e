# A crowd of live tickers from a few sources: what a page asked for beside them takes, and what is left when they go.
"""Every ticker ticks. The pages come from another origin, each over a connection of its own. Every sample takes a fresh
proxy process."""

import socket
import time

import loopback
import proxies
from processes import CannotMeasure
from report import percentile
from stream_client import Streams, get, stream_steps

SOURCES = [f"127.0.0.{n}" for n in range(2, 22)]
PAGE = "page"
PAGE_BYTES = 10 * 1024
PAGES = 200
WARM_UP = 200
SETTLE = 1.5  # seconds before memory is read
GRACE = 1.0  # seconds after the last client has left, then what is still open counts as left


def hold(name, directory, origins, web, count):
    """`measure` of a fresh proxy."""
    with proxies.start(name, directory, origins, held=True) as proxy:
        figures = measure(proxy, origins, web, count)
        proxy.check_alive()
        return figures


def measure(proxy, origins, web, count):
    """Memory for each of `count` tickers, how long `PAGES` pages take in ms, and how soon all is gone."""
    with Streams(proxy, origins, stream_steps, SOURCES) as warm_up:
        warm_up.open_up_to(WARM_UP)
        _pages(proxy, web, 20)
    time.sleep(SETTLE)
    memory, sockets = proxy.user_bytes(), proxy.sockets()
    with Streams(proxy, origins, stream_steps, SOURCES) as streams:
        streams.open_up_to(count)
        time.sleep(SETTLE)
        kib = (proxy.user_bytes() - memory) / 1024 / count
        latencies = _pages(proxy, web, PAGES)
        if broken := streams.broken():
            raise CannotMeasure(f"{broken} of {count} tickers did not stay open")
    gone, left = _until_gone(proxy, sockets)
    return {"kib": kib, "p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99),
            "max_ms": max(latencies), "gone_s": gone, "left": left}


def _pages(proxy, web, count):
    """Asks for so many pages, one after the other; how long each took, from connect to its last byte."""
    latencies = []
    for number in range(count):
        began = time.perf_counter()
        with socket.create_connection(proxy.plain, timeout=10, source_address=(SOURCES[number % len(SOURCES)], 0)) as sock:
            sock.sendall(get(web.address, PAGE))
            answer = bytearray()
            while len(answer) < PAGE_BYTES or len(answer) < answer.find(b"\r\n\r\n") + 4 + PAGE_BYTES:
                if not (data := sock.recv(65536)):
                    raise CannotMeasure(f"page {number}: ended after {bytes(answer[:80])!r}")
                answer += data
        latencies.append((time.perf_counter() - began) * 1000)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise CannotMeasure(f"page {number}: answered {bytes(answer[:80])!r}")
    return latencies


def _until_gone(proxy, sockets):
    """Seconds until no socket is left that was not there before, and how many are left after the grace."""
    began = time.monotonic()
    while True:
        left, waited = proxy.sockets() - sockets, time.monotonic() - began
        if left <= 0 or waited >= GRACE:
            return waited if left <= 0 else float("inf"), max(0, left)
        time.sleep(0.01)
