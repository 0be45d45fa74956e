# Scanning: what a body costs that an ICAP server sees, and what a stream holds that is scanned as it flows.
import select
import time

import proxies
import throughput
from processes import CannotMeasure
from stream_client import Streams, stream_steps

BODY_BYTES = 3000
CONNECTIONS = 32
PROXIES = ["tether", "squid"]

# Who sees the streams of "windows": the name of a row, and what scans there.
SIGHTS = {"windows-builtin": '["builtin"]', "windows-icap": '["builtin", "av"]'}
STREAMS = 2000
WARM_UP = 200
TICKS_EVERY = 0.5  # seconds between two events of a stream
EVENT_BYTES = 2048
FLOWS_FOR = 6.0  # seconds; what gathers for a service is sent to it after 5
QUIET_FOR = 8.0


def configuration(name, url, scanners='["av"]'):
    """What is added to a proxy's configuration so that the service at `url` sees every response."""
    if name == "squid":
        return (f"icap_enable on\nicap_persistent_connections on\nicap_service scan respmod_precache {url} bypass=off\n"
                "adaptation_access scan allow all\n")
    # Each time anew: the bodies are all the same.
    return (f'\n[inspect]\ndefault = {scanners}\n\n[icap.av]\nurls = ["{url}"]\nmax_connections = 64\n'
            'verdicts = "asked"\n')


def respmod(proxy, origin, scanner, seconds):
    """CPU milliseconds of the proxy per 1,000 bodies of 3,000 bytes, every one of them shown to the scanner."""
    before = scanner.messages()
    totals, spent = throughput.drive(proxy, origin.url("scanned"), CONNECTIONS, seconds)
    seen = scanner.messages() - before
    if seen < totals["requests"]:
        raise CannotMeasure(f"the scanner saw {seen} of {totals['requests']} bodies")
    return {"requests_per_s": totals["requests"] / totals["micros"] * 1e6, "p99_ms": totals["p99_us"] / 1000,
            "cpu_ms_per_1000": spent * 1e6 / totals["requests"], "failed": totals["failed"], "cpu_s": spent, "wrk": totals}


def windows(name, directory, origin, scanner):
    """KiB for each of `STREAMS` streams: the most while all of them flow, and when they have fallen silent."""
    added = configuration("tether", scanner.url, SIGHTS[name])
    with proxies.start("tether", directory, origin.addresses, held=True, added=added) as proxy:
        origin.tick_on()
        with Streams(proxy, origin.addresses, stream_steps) as warm_up:
            warm_up.open_up_to(WARM_UP)
            _watch(warm_up, proxy, 1.0)
        origin.tick_off()
        time.sleep(QUIET_FOR / 4)
        baseline = proxy.user_bytes()
        with Streams(proxy, origin.addresses, stream_steps) as streams:
            streams.open_up_to(STREAMS)
            origin.tick_on()
            most, came = _watch(streams, proxy, FLOWS_FOR)
            origin.tick_off()
            if came < STREAMS * EVENT_BYTES * FLOWS_FOR / TICKS_EVERY / 2:
                raise CannotMeasure(f"only {came:,} bytes flowed")
            _watch(streams, proxy, QUIET_FOR)
            quiet = proxy.user_bytes()
            proxy.check_alive()
            if broken := streams.broken():
                raise CannotMeasure(f"{broken} of {STREAMS} streams did not stay open")
        return {"baseline_kib": baseline / 1024, "flowing_kib": (most - baseline) / 1024 / STREAMS,
                "quiet_kib": (quiet - baseline) / 1024 / STREAMS, "bytes": came}


def _watch(streams, proxy, seconds):
    """Reads what comes for so long; the most memory of the proxy meanwhile, and the bytes that came."""
    by_fd = {sock.fileno(): sock for sock in streams.open.values()}
    with select.epoll() as epoll:
        for fd in by_fd:
            epoll.register(fd, select.EPOLLIN)
        most, came, began = proxy.user_bytes(), 0, time.monotonic()
        look = began
        while (now := time.monotonic()) < began + seconds:
            for fd, _ in epoll.poll(0.05):
                data = by_fd[fd].recv(65536)
                came += len(data)
                if not data:
                    raise CannotMeasure("a stream ended")
            if now >= look:
                most, look = max(most, proxy.user_bytes()), now + 0.5
    return most, came
