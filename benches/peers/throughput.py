# Small requests and bulk bodies: wrk through each proxy to nginx, with the CPU time the proxy spent.
import json
import os
import subprocess

from loopback import host_port
from processes import CannotMeasure

HERE = os.path.dirname(os.path.abspath(__file__))
TOTALS = "totals "


def drive(proxy, url, connections, seconds):
    """One run of wrk with kept-alive connections: its totals, and the CPU seconds of the proxy (None without one)."""
    authority, path = url.removeprefix("http://").split("/", 1)
    script = ["-s", os.path.join(HERE, "absolute.lua")]
    if proxy.plain:
        target = [f"http://{host_port(proxy.plain)}/", "--", url, authority]
    else:
        target = [f"http://{authority}/{path}"]
    argv = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", *script, *target]
    before = proxy.cpu_seconds()
    run = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 60)
    spent = proxy.cpu_seconds() - before if proxy.plain else None
    proxy.check_alive()
    totals = [line for line in run.stdout.splitlines() if line.startswith(TOTALS)]
    if run.returncode or not totals:
        raise CannotMeasure(f"wrk failed: {(run.stderr or run.stdout).strip()[-200:]}")
    totals = json.loads(totals[0].removeprefix(TOTALS))
    good = totals["requests"] - totals["bad_status"]
    if good < 0.99 * totals["requests"] or good <= 0:
        raise CannotMeasure(f"{totals['bad_status']} of {totals['requests']} answers were errors")
    totals["failed"] = sum(totals[kind] for kind in ("bad_status", "connect", "write", "timeout"))
    return totals, spent


def small(proxy, origin, seconds):
    """Requests per second and CPU milliseconds per 1,000 requests; 1 KiB bodies, 64 connections."""
    totals, spent = drive(proxy, origin.url("small"), 64, seconds)
    figures = {"requests_per_s": totals["requests"] / totals["micros"] * 1e6, "p99_ms": totals["p99_us"] / 1000}
    if spent is not None:
        figures["cpu_ms_per_1000"] = spent * 1e6 / totals["requests"]
    return _complete(figures, totals, spent)


def bulk(proxy, origin, seconds):
    """Megabytes per second and CPU seconds per gigabyte; 1 MiB bodies, 8 connections."""
    totals, spent = drive(proxy, origin.url("bulk"), 8, seconds)
    figures = {"mb_per_s": totals["bytes"] / totals["micros"]}
    if spent is not None:
        figures["cpu_s_per_gb"] = spent / totals["bytes"] * 1e9
    return _complete(figures, totals, spent)


def _complete(figures, totals, spent):
    """What both have: a read error of wrk is a connection closed on it, be it between answers or within one."""
    return figures | {"failed": totals["failed"], "closed": totals["read"], "cpu_s": spent, "wrk": totals}
