# What Tether promises, held against the figures of this run: pass, miss or not measured.
import statistics

from report import NONE, cancel_figures, median, number, table, turn_ratios
from scanned import SIGHTS

TETHER, HAPROXY, SQUID, RELAY = "tether", "haproxy", "squid", "relay"


def _of(results, measurement, proxy, key):
    return median(results.get(measurement, {}).get(proxy, []), key)


def _at_most(results, what, measurement, key, share, peer=HAPROXY, digits=2):
    """One row: Tether spends no more than `share` times what a peer spends."""
    return _relative(results, what, measurement, key, share, peer, digits, "<=", float.__le__)


def _at_least(results, what, measurement, key, share, peer=HAPROXY, digits=2):
    """One row: Tether does no less than `share` times what a peer does."""
    return _relative(results, what, measurement, key, share, peer, digits, ">=", float.__ge__)


def _relative(results, what, measurement, key, share, peer, digits, sign, holds):
    ours, theirs = _of(results, measurement, TETHER, key), _of(results, measurement, peer, key)
    bound = None if theirs is None else share * theirs
    passed = None if ours is None or bound is None else holds(ours, bound)
    rule = f"{sign} {share:.2f} x {peer} = {number(bound, digits)}"
    return [what, rule, number(theirs, digits), number(ours, digits), _verdict(passed)]


def _limits(results, bound):
    """One row: the median, over the rounds, of what enforced limits cost relative to none."""
    key, (off, enforce) = "cpu_ms_per_1000", ("limits-off", "limits-enforce")
    measured = results.get("limits", {})
    theirs, ours = (median(measured.get(name, []), key) for name in (off, enforce))
    ratios = turn_ratios(measured.get(enforce, []), measured.get(off, []), key)
    ratio = statistics.median(ratios) if ratios else None
    passed = None if ratio is None else ratio <= bound
    rule = f"<= {bound:.2f} x {off}, is {number(ratio, 3)}"
    return ["CPU ms per 1,000, limits enforced", rule, number(theirs), number(ours), _verdict(passed)]


def _absolute(results, what, measurement, key, bound, proxy=TETHER):
    """One row: Tether's figure against a fixed bound. `proxy`: the Tether meant, where there are several."""
    ours, theirs = _of(results, measurement, proxy, key), _of(results, measurement, HAPROXY, key)
    passed = None if ours is None else ours <= bound
    return [what, f"<= {number(bound)}", number(theirs), number(ours), _verdict(passed)]


def _cancel(results, way, bound):
    """One row: the p99 in one way of leaving, and that nothing is left."""
    ours, theirs = (cancel_figures(results.get("cancel", {}).get(name, []), way) for name in (TETHER, HAPROXY))
    shown = [f"{number(one['p99'])}, {one['left']} left" if one else NONE for one in (theirs, ours)]
    passed = None if ours is None else ours["p99"] < bound and ours["left"] == 0
    return [f"cancel p99 in ms: {way}", f"< {number(bound)}, 0 left after 1 s", *shown, _verdict(passed)]


def _verdict(passed):
    return "not measured" if passed is None else "pass" if passed else "MISS"


def summary(results, crowd, ways):
    """The closing table. `crowd`: the largest number of held streams of this run."""
    rows = [
        _at_most(results, "CPU ms per 1,000 small requests", "small", "cpu_ms_per_1000", 1.35, RELAY),
        _at_most(results, "CPU ms per 1,000 small requests", "small", "cpu_ms_per_1000", 0.9),
        _limits(results, 1.03),
        _at_least(results, "small requests per second", "small", "requests_per_s", 1.2, digits=0),
        _at_most(results, "CPU s per GB in 1 MiB bodies", "bulk", "cpu_s_per_gb", 0.8, digits=3),
        _at_most(results, "CPU s per GB in tunnels", "tunnel", "cpu_s_per_gb", 1.0, "haproxy-splice", digits=3),
        _at_most(results, "CPU s per GB in tunnels", "tunnel", "cpu_s_per_gb", 1.0, "haproxy-splice-forced", digits=3),
        _absolute(results, f"KiB per held stream at {crowd:,}", "held", str(crowd), 5.0),
        _absolute(results, f"KiB per ticker at {crowd:,}", "crowd", "kib", 5.0),
        _absolute(results, f"ms for a 10 KiB page beside {crowd:,} tickers, p99", "crowd", "p99_ms", 50.0),
        _absolute(results, "sockets left 1 s after the tickers' clients", "crowd", "left", 0.0),
        _at_most(results, "CPU ms per 1,000 bodies shown to a scanner", "respmod", "cpu_ms_per_1000", 0.5, SQUID),
        *(_absolute(results, f"KiB per stream, {what}: {sight}", "windows", key, bound, sight)
          for sight in SIGHTS for what, key, bound in (("flowing", "flowing_kib", 200.0), ("silent", "quiet_kib", 24.0))),
        _absolute(results, f"KiB per idle tunnel at {crowd:,}", "idle-tunnels", str(crowd), 5.0),
        *(_cancel(results, way, 5.0) for way in ways),
    ]
    return table("Tether against its targets", ["target", "rule", "the peer", "tether", "verdict"], rows, texts=2)
