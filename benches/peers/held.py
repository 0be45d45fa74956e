# Memory of things at rest: silent streams and silent tunnels, in KiB of the proxy's user space for each.
"""Every sample takes a fresh proxy process: memory an allocator keeps from an earlier crowd would hide the cost."""

import time

import proxies
from processes import CannotMeasure
from stream_client import Streams, stream_steps, tunnel_steps

WARM_UP = 200
SETTLE = 1.5  # seconds of silence before the memory is read


def held_streams(name, directory, origins, counts):
    return _sample(name, directory, origins, counts, stream_steps)


def idle_tunnels(name, directory, origins, counts):
    return _sample(name, directory, origins, counts, tunnel_steps)


def _sample(name, directory, origins, counts, steps):
    """KiB per stream at each of the rising `counts`, all in one crowd that grows."""
    with proxies.start(name, directory, origins, held=True) as proxy:
        with Streams(proxy, origins, steps) as warm_up:
            warm_up.open_up_to(WARM_UP)
        time.sleep(SETTLE)
        baseline = proxy.user_bytes()
        figures = {"baseline_kib": baseline / 1024}
        with Streams(proxy, origins, steps) as streams:
            for count in counts:
                started = time.monotonic()
                streams.open_up_to(count)
                seconds = time.monotonic() - started
                time.sleep(SETTLE)
                proxy.check_alive()
                if broken := streams.broken():
                    raise CannotMeasure(f"{broken} of {count} streams did not stay open")
                figures[str(count)] = (proxy.user_bytes() - baseline) / 1024 / count
                figures[f"{count}_opened_in_s"] = seconds
        return figures
