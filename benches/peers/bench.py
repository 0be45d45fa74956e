# The benchmark itself: arguments, which measurement runs with which proxies, alternating rounds, tables, summary.
import argparse
import contextlib
import json
import math
import os
import platform
import resource
import signal
import sys
import tempfile
import time

import cancel
import crowd
import held
import proxies
import report
import scanned
import targets
import throughput
import tunnel
from icap_stub import IcapStubProcess
from processes import CannotMeasure, cpu_seconds, machine_busy_seconds
from stream_origin import StreamOrigin, StreamOriginProcess
from web_origin import WebOrigin

MEASUREMENTS = ["small", "limits", "bulk", "respmod", "tunnel", "held", "crowd", "windows", "idle-tunnels", "cancel"]
MIB = 1 << 20
TICKS_EVERY = 10  # seconds between two events of a ticker
CLOSED = "closed: connections the proxy ended although the client wished to keep them"

ABOUT = """\
Measures Tether beside HAProxy, Squid and tinyproxy on this machine, over loopback, in alternating rounds.

  small         1 KiB bodies, 64 kept-alive connections: requests/s, proxy CPU per 1,000 requests
  limits        the same with Tether alone: what enforced limits add to mode = "off"
  bulk          1 MiB bodies, 8 connections: MB/s, proxy CPU per GB
  respmod       3,000-byte bodies that an ICAP server sees, Tether and Squid only: proxy CPU per 1,000 requests
  tunnel        4 CONNECT tunnels at full speed: MB/s, proxy CPU per GB
  held          silent event streams: user memory for each
  crowd         tickers of 20 clients, forward proxies only: memory for each, what a 10 KiB page beside them takes, what is
                left when they go
  windows       streams that Tether scans as they flow: user memory for each, flowing and silent
  idle-tunnels  silent CONNECT tunnels: user memory for each
  cancel        clients leave in four ways: delay until the origin is told, streams left after 1 s

The relay is no proxy but the floor for one in small: it receives and sends the bytes and does nothing else. In bulk it
copies all the same, so that a proxy that splices spends less.
"""

NOTES = """\
environment:
  TETHER_BIN           the binary to measure (default: target/release/tether, built when absent)
  TETHER_BENCH_CONFIG  a file whose text is appended to Tether's configuration
  TETHER_BENCH_LIMITS  enforce (default), simulate, off; none leaves [limits] and [policies] out of the configuration,
                       for binaries without them and for a TETHER_BENCH_CONFIG that has its own
  RELAY_BIN            the relay (default: target/release/examples/relay, built when absent and cargo is there)

A full run takes about 22 minutes, a quick one about 4. Missing peers are installed from Debian when run as root.
Exit status: 0 when all was measured, whatever the figures; 1 when something could not be measured; 2 for wrong
arguments.
"""


def arguments():
    def listed(allowed):
        def parse(text):
            chosen = [part for part in text.split(",") if part]
            unknown = [part for part in chosen if part not in allowed]
            if unknown or not chosen:
                raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: choose from {','.join(allowed)}")
            return [name for name in allowed if name in chosen]
        return parse

    def count(text):
        if not text.isdigit() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text}: a number above 0, please")
        return int(text)

    parser = argparse.ArgumentParser(
        prog="run", description=ABOUT, epilog=NOTES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=listed(MEASUREMENTS), default=MEASUREMENTS, metavar="LIST",
                        help="measurements, comma-separated (default: all)")
    parser.add_argument("--proxies", type=listed(proxies.NAMES), default=proxies.NAMES, metavar="LIST",
                        help=f"proxies, comma-separated (default: {','.join(proxies.NAMES)})")
    parser.add_argument("--rounds", type=count, metavar="N", help="rounds of each measurement (default: 7, quick: 3)")
    parser.add_argument("--quick", action="store_true", help="3 shorter rounds with smaller counts: a trial run")
    parser.add_argument("--list", action="store_true", help="only print the names of the proxies, measure nothing")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to FILE")
    return parser.parse_args()


class Bench:
    """One run: its sizes, its figures and what could not be measured."""

    def __init__(self, options, names, directory):
        self.directory = directory
        self.names = names
        self.rounds = options.rounds or (3 if options.quick else 7)
        self.seconds = 2 if options.quick else 4
        self.tunnel_bytes = (64 if options.quick else 256) * MIB
        self.crowds = [1000, 2000] if options.quick else [5000, 9500]
        self.leavers = 100 if options.quick else 500
        self.results = {}
        self.failures = []

    def measure(self, measurement):
        if not self.taking_part(measurement):
            print(f"\n{measurement}: none of the chosen proxies takes part in it", flush=True)
            return
        busy, own, started = machine_busy_seconds(), cpu_seconds(os.getpid()), time.monotonic()
        # Names like "idle-tunnels" are methods with an underscore.
        title, show = getattr(self, measurement.replace("-", "_"))(measurement)
        others = machine_busy_seconds() - busy - (cpu_seconds(os.getpid()) - own)
        share = max(0.0, others) / (time.monotonic() - started) / os.cpu_count()
        note = f"other work on this machine meanwhile: {share:.0%} of its {os.cpu_count()} processors"
        failed = [f"not measured: {text}" for text in self.failures if text.startswith(f"{measurement}, ")]
        results = {name: samples for name, samples in self.results[measurement].items() if samples}
        print(show(title, results, [note, *failed]), flush=True)

    def taking_part(self, measurement):
        """Those of the chosen proxies that a measurement is about."""
        if measurement == "limits":
            return list(proxies.LIMIT_MODES) if "tether" in self.names else []
        if measurement == "respmod":
            return [name for name in scanned.PROXIES if name in self.names]
        if measurement == "windows":
            return list(scanned.SIGHTS) if "tether" in self.names else []
        if measurement in ("small", "bulk"):
            return self.names
        if measurement == "crowd":
            return [name for name in self.names if name not in (proxies.RELAY, "haproxy")]
        return [name for name in self.names if name != proxies.RELAY]

    def alternate(self, measurement, names, sample):
        """Rounds A B C, C B A, A B C ...; a proxy that fails once is left out of the later rounds."""
        results = self.results[measurement] = {name: [] for name in names}
        out = set()
        for turn in range(self.rounds):
            for name in reversed(names) if turn % 2 else names:
                if name in out:
                    continue
                progress(f"{measurement}: round {turn + 1} of {self.rounds}, {name}")
                try:
                    results[name].append(sample(name))
                except CannotMeasure as error:
                    out.add(name)
                    self.fail(measurement, name, error)
        return results

    def fail(self, measurement, name, error):
        self.failures.append(f"{measurement}, {name}: {error}")
        progress(self.failures[-1], keep=True)

    @contextlib.contextmanager
    def all_running(self, measurement, names, origins, is_held=False, added=lambda name: ""):
        """Starts the proxies side by side: name -> running, without those that do not start. `added`: more lines for the
        configuration of a name."""
        with contextlib.ExitStack() as stack:
            running = {}
            for name in names:
                try:
                    running[name] = stack.enter_context(proxies.start(
                        name, self.directory, origins, is_held, added(name)))
                except CannotMeasure as error:
                    self.fail(measurement, name, error)
            yield running

    def small(self, measurement):
        self._wrk(measurement, throughput.small, {"small": 1024}, [proxies.DIRECT])
        return (f"small: 1 KiB bodies, 64 connections, {self._medians(f'{self.seconds} s each')}",
                lambda title, results, notes: report.compare(title, results, [
                    ("requests/s", "requests_per_s", 0, "ratio"),
                    ("CPU ms/1,000", "cpu_ms_per_1000", 2, "ratio spread"),
                    ("p99 ms", "p99_ms", 2, ""), ("failed", "failed", 0, ""), ("closed", "closed", 0, "")],
                    [CLOSED, *notes]))

    def limits(self, measurement):
        self._wrk(measurement, throughput.small, {"small": 1024}, [])
        off, enforce = proxies.LIMIT_MODES
        figures = [("CPU ms/1,000", "cpu_ms_per_1000", 2, "ratio spread"), ("requests/s", "requests_per_s", 0, "ratio"),
                   ("failed", "failed", 0, ""), ("closed", "closed", 0, "")]

        def show(title, results, notes):
            ratios = report.turn_ratios(results.get(enforce, []), results.get(off, []), "cpu_ms_per_1000")
            turns = f"each round's ratio of CPU: {', '.join(report.number(one, 3) for one in ratios) or report.NONE}"
            return report.compare(title, results, figures, [turns, CLOSED, *notes], reference=off)
        return f"limits: Tether against itself, as small, {self._medians(f'{self.seconds} s each')}", show

    def bulk(self, measurement):
        self._wrk(measurement, throughput.bulk, {"bulk": MIB}, [proxies.DIRECT])
        return (f"bulk: 1 MiB bodies, 8 connections, {self._medians(f'{self.seconds} s each')}",
                lambda title, results, notes: report.compare(title, results, [
                    ("MB/s", "mb_per_s", 0, "ratio"), ("CPU s/GB", "cpu_s_per_gb", 3, "ratio spread"),
                    ("failed", "failed", 0, ""), ("closed", "closed", 0, "")], [CLOSED, *notes]))

    def _wrk(self, measurement, sample, files, beside):
        names = [*beside, *self.taking_part(measurement)]
        with WebOrigin(self.directory, files) as origin:
            with self.all_running(measurement, names, [origin.address]) as running:
                self._warm_up(measurement, running, lambda proxy: sample(proxy, origin, 1))
                self.alternate(measurement, list(running), lambda name: sample(running[name], origin, self.seconds))

    def _warm_up(self, measurement, running, sample):
        """One short sample of each; those that fail take no part."""
        for name in list(running):
            progress(f"{measurement}: warming up {name}")
            try:
                sample(running[name])
            except CannotMeasure as error:
                del running[name]
                self.fail(measurement, name, error)

    def respmod(self, measurement):
        names = self.taking_part(measurement)
        with IcapStubProcess(self.directory) as scanner:
            with WebOrigin(self.directory, {"scanned": scanned.BODY_BYTES}) as origin:
                with self.all_running(measurement, names, [origin.address],
                                      added=lambda name: scanned.configuration(name, scanner.url)) as running:
                    self._warm_up(measurement, running, lambda proxy: scanned.respmod(proxy, origin, scanner, 1))
                    self.alternate(measurement, list(running), lambda name: scanned.respmod(
                        running[name], origin, scanner, self.seconds))
        figures = [("requests/s", "requests_per_s", 0, "ratio"), ("CPU ms/1,000", "cpu_ms_per_1000", 2, "ratio spread"),
                   ("p99 ms", "p99_ms", 2, ""), ("failed", "failed", 0, "")]
        title = f"respmod: {scanned.BODY_BYTES:,} bytes, {scanned.CONNECTIONS} connections, answered with 204"
        return (f"{title}, {self._medians(f'{self.seconds} s each')}",
                lambda title, results, notes: report.compare(title, results, figures, notes, reference="squid"))

    def windows(self, measurement):
        with IcapStubProcess(self.directory) as scanner:
            with StreamOriginProcess(self.directory, scanned.TICKS_EVERY, scanned.EVENT_BYTES) as origin:
                self.alternate(measurement, self.taking_part(measurement), lambda name: scanned.windows(
                    name, self.directory, origin, scanner))
        figures = [("KiB flowing", "flowing_kib", 2, "spread"), ("KiB silent", "quiet_kib", 2, "spread")]
        size = f"{scanned.STREAMS:,} streams, {scanned.EVENT_BYTES:,} bytes each in {scanned.TICKS_EVERY} s"
        return (f"windows: user KiB per stream, {self._medians(size)}",
                lambda title, results, notes: report.compare(title, results, figures, notes))

    def tunnel(self, measurement):
        names = [proxies.DIRECT]
        for name in self.taking_part(measurement):
            names.extend(proxies.TUNNEL_OPTIONS if name == "haproxy" else [name])
        with WebOrigin(self.directory, {"big": self.tunnel_bytes}) as origin:
            with self.all_running(measurement, names, [origin.address]) as running:
                self.alternate(measurement, list(running), lambda name: tunnel.bulk_tunnels(running[name], origin))
        size = f"{tunnel.TUNNELS} x {self.tunnel_bytes // MIB} MiB each"
        notes = ["haproxy...: a TCP port to the origin, without CONNECT; copying, splice-auto, splice in every case"]
        return (f"tunnel: {tunnel.TUNNELS} tunnels at full speed, {self._medians(size)}",
                lambda title, results, more: report.compare(title, results, [
                    ("MB/s", "mb_per_s", 0, "ratio"), ("CPU s/GB", "cpu_s_per_gb", 3, "ratio spread")],
                    [*notes, *more]))

    def held(self, measurement):
        return self._crowd(measurement, held.held_streams, "user KiB per silent event stream")

    def idle_tunnels(self, measurement):
        return self._crowd(measurement, held.idle_tunnels, "user KiB per silent tunnel")

    def crowd(self, measurement):
        count = self._most(measurement)
        with StreamOriginProcess(self.directory, TICKS_EVERY) as origin:
            with WebOrigin(self.directory, {crowd.PAGE: crowd.PAGE_BYTES}) as web:
                self.alternate(measurement, self.taking_part(measurement), lambda name: crowd.hold(
                    name, self.directory, origin.addresses, web, count))
        figures = [("KiB each", "kib", 2, "spread"), ("page p50 ms", "p50_ms", 2, ""), ("p99 ms", "p99_ms", 2, "spread"),
                   ("max ms", "max_ms", 2, ""), ("gone after s", "gone_s", 2, ""), ("left after 1 s", "left", 0, "")]
        size = f"{count:,} tickers of {len(crowd.SOURCES)} clients, an event each in {TICKS_EVERY} s, {crowd.PAGES} pages"
        return (f"{measurement}: {self._medians(size)}",
                lambda title, results, notes: report.compare(title, results, figures, notes))

    def _most(self, measurement):
        """The largest crowd, if descriptors allow it."""
        needed = 2 * max(self.crowds) + 500
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed:
            raise CannotMeasure(f"{measurement}: a process may not have the {needed:,} descriptors this takes")
        return max(self.crowds)

    def _crowd(self, measurement, sample, what):
        self._most(measurement)
        with StreamOriginProcess(self.directory) as origin:
            self.alternate(measurement, self.taking_part(measurement),
                           lambda name: sample(name, self.directory, origin.addresses, self.crowds))
        figures = [(f"KiB at {count:,}", str(count), 2, "ratio spread") for count in self.crowds]
        return (f"{measurement}: {what}, {self._medians('a fresh process each')}",
                lambda title, results, notes: report.compare(title, results, figures, notes))

    def cancel(self, measurement):
        with contextlib.closing(StreamOrigin()) as origin:
            names = [proxies.DIRECT, *self.taking_part(measurement)]
            with self.all_running(measurement, names, origin.addresses, is_held=True) as running:
                self.alternate(measurement, list(running), lambda name: {
                    way: cancel.leave(running[name], origin, way, self.leavers) for way in cancel.WAYS})
        notes = ["p50 and p99: medians of the rounds' own; max and left: the worst round"]
        return (f"cancel: {self.leavers} silent streams, client's close to the origin's notice, {self.rounds} rounds",
                lambda title, results, more: report.cancel_table(title, results, cancel.WAYS, [*notes, *more]))

    def _medians(self, size):
        return f"medians of {self.rounds} rounds, {size}"


def progress(text, keep=False):
    """A line on the terminal that the next one overwrites, or that is kept."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\n" if keep else "", file=sys.stderr, flush=True)
    elif keep:
        print(text, file=sys.stderr, flush=True)


def finite(value):
    """The same figures with null for what never happened, which JSON has no number for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def present(names):
    """Splits the proxies into those that are here, with their versions, and those that are not."""
    found = {name: proxies.version(name) for name in names if proxies.program(name)}
    return found, [name for name in names if name not in found]


def main():
    options = arguments()
    if options.list:
        print(",".join(options.proxies))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    versions, skipped = present(options.proxies)
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}
    print(f"{machine['cpus']} processors, Linux {machine['kernel']}, load {machine['load']:.2f} at the start")
    for name, version in versions.items():
        print(f"{name}: {version}, {proxies.program(name)}")
    for name in skipped:
        print(f"{name}: skipped, its program is not here")
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as directory:
        bench = Bench(options, list(versions), directory)
        for measurement in options.only:
            try:
                bench.measure(measurement)
            except CannotMeasure as error:
                bench.fail(measurement, "all", error)
        progress("")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(finite({
                "machine": machine, "versions": versions, "skipped": skipped, "rounds": bench.rounds,
                "results": bench.results, "failures": bench.failures}), file, indent=1)
            file.write("\n")
    print(targets.summary(bench.results, max(bench.crowds), cancel.WAYS))
    return 1 if bench.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # nobody reads on, as behind "head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
