# The proxies measured: how each is configured, started and found ready, every one of them with two threads or workers.
"""`start(name, ...)` gives a `Running` proxy. HAProxy is no forward proxy: it gets fixed backends (the origin of the
measurement) and takes the same absolute-form requests; its tunnels are a TCP port to that origin, without CONNECT."""

import glob
import http.client
import os
import shutil
import subprocess
import sys

import loopback
from loopback import host_port
from processes import CannotMeasure, Process, cpu_seconds, sockets, user_bytes

DIRECT = "direct"
# HAProxy's ways to move the bytes of a tunnel. "auto" leaves the choice to it, and 2.6 then mostly copies.
TUNNEL_OPTIONS = {
    "haproxy": "no option splice-auto",
    "haproxy-splice": "option splice-auto",
    "haproxy-splice-forced": "option splice-request\n    option splice-response",
}
# Workers to try for Squid: two cannot share a port where shared memory or its state directory are out of reach.
squid_workers = [2, 1]
RELAY = "relay"  # no proxy, but the floor for one: benches/relay.rs
NAMES = ["tether", "haproxy", "squid", "tinyproxy", RELAY]
# Two more Tethers, told apart by [limits] alone.
LIMIT_MODES = {"limits-off": "off", "limits-enforce": "enforce"}

TETHER = """\
workers = 2

[admin]
bind = "{admin}"

[[forward]]
name = "bench"
bind = "{proxy}"

[destinations]
allow = ["127.0.0.0/8"]
connect_ports = ["any"]

[log]
access = "off"
"""

# Added to the above, unless TETHER_BENCH_LIMITS says "none".
TETHER_LIMITS = """
[limits]
mode = "{mode}"
stream_lane = 100

[policies]
dir = "{policies}"
"""

# In the shape of the built-in rules, so that a request is looked at as often and takes as many guards, but with room for
# all the load that comes.
LIMITS_TOML = """\
[[limit]]
name = "per-source"
per = "source"
exchanges = 20000
over = "reject"

[[limit]]
name = "per-pair"
per = "pair"
count_by = "domain"
exchanges = 20000
streams = 20000
over = "queue"
queue = { max = 64, wait = "1s" }

[[limit]]
name = "per-destination"
per = "destination"
count_by = "domain"
streams = 20000
over = "queue"
queue = { max = 64, wait = "1s" }

[[group]]
name = "elsewhere"
hosts = ["p*.livesport.example", "p*.flashsports.example"]

[[limit]]
name = "elsewhere-pair"
destination = "group:elsewhere"
per = "pair"
exchanges = 20000
streams = 20000
over = "reject"
"""

HAPROXY = """\
global
    nbthread 2
    maxconn 9700
    maxpipes 100

defaults
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    balance roundrobin

listen plain
    mode http
    bind {proxy}
    option http-keep-alive
    {streaming}
    http-reuse always
{servers}

listen tunnel
    mode tcp
    bind {tunnel}
    {splice}
{servers}
"""

SQUID = """\
http_port {proxy}
workers {workers}
http_access allow all
cache deny all
cache_mem 0
access_log none
cache_log {logs}/cache.log
cache_store_log none
pid_filename {logs}/squid.pid
coredump_dir none
pinger_enable off
max_filedescriptors 20000
shutdown_lifetime 0 seconds
read_timeout 1 hour
request_timeout 1 hour
visible_hostname bench
"""

TINYPROXY = """\
Listen {address}
Port {port}
Timeout 3600
MaxClients 20000
Allow 127.0.0.0/8
LogLevel Critical
LogFile "{log}"
"""


class Running:
    """A proxy that takes requests at `plain` and tunnels at `tunnel`. For `direct` both are None: go to the origin."""

    def __init__(self, name, process=None, plain=None, tunnel=None, connects=True, leftovers=()):
        self.name = name
        self.plain = plain
        self.tunnel = tunnel or plain
        self.connects = connects and plain is not None  # does a tunnel begin with a CONNECT?
        self._process = process
        self._leftovers = leftovers  # patterns of files it makes outside of its directory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.stop()
        for pattern in self._leftovers:
            for path in glob.glob(pattern):
                os.unlink(path)

    def cpu_seconds(self):
        return cpu_seconds(self._process.pid) if self._process else 0.0

    def user_bytes(self):
        return user_bytes(self._process.pid) if self._process else 0

    def sockets(self):
        return sockets(self._process.pid) if self._process else 0

    def check_alive(self):
        if self._process and not self._process.alive():
            raise CannotMeasure(f"{self.name} died: {self._process.last_words()}")


def program(name):
    """The path of a proxy's binary, or None."""
    if name == "tether":
        return shutil.which(os.environ.get("TETHER_BIN", "target/release/tether"))
    if name == RELAY:
        return shutil.which(os.environ.get("RELAY_BIN", "target/release/examples/relay"))
    return shutil.which("haproxy" if name in TUNNEL_OPTIONS else name)


def version(name):
    """What a proxy calls itself: the first line it prints when asked."""
    if name == RELAY:
        return "the floor: what moving the bytes costs"
    flag = "--version" if name == "tether" else "-v"
    try:
        answer = subprocess.run([program(name), flag], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "version unknown"
    return ((answer.stdout or answer.stderr).strip().splitlines() or ["version unknown"])[0]


def start(name, directory, origins, held=False, added=""):
    """Starts a proxy in front of `origins`, a list of (host, port). `held`: it is about streams at rest. `added`: more lines
    for the configuration of Tether or Squid."""
    if name == DIRECT:
        return Running(DIRECT)
    directory = os.path.join(directory, f"{name}-{loopback.free_port()}")
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    if name == "tether":
        return _tether(name, directory, os.environ.get("TETHER_BENCH_LIMITS", "enforce"), added)
    if name in LIMIT_MODES:
        return _tether(name, directory, LIMIT_MODES[name], added)
    if name == RELAY:
        return _relay(directory)
    if name == "squid":
        return _squid(directory, added)
    if name == "tinyproxy":
        return _tinyproxy(directory)
    return _haproxy(name, directory, origins, held)


def _launch(running, process, ready):
    try:
        process.wait_until(ready)
    except BaseException:
        running.__exit__()
        raise
    return running


def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _tether(name, directory, limits, added):
    plain = (loopback.PROXY, loopback.free_port())
    admin = (loopback.PROXY, loopback.free_port())
    text = TETHER.format(admin=host_port(admin), proxy=host_port(plain))
    if limits != "none":
        policies = os.path.join(directory, "policies")
        os.mkdir(policies)
        _write(policies, "limits.toml", LIMITS_TOML)
        text += TETHER_LIMITS.format(mode=limits, policies=policies)
    text += added
    if extra := os.environ.get("TETHER_BENCH_CONFIG"):
        try:
            with open(extra, encoding="utf-8") as file:
                text += "\n" + file.read()
        except OSError as error:
            raise CannotMeasure(f"TETHER_BENCH_CONFIG: {error}") from error
    if "[inspect]" not in text:
        # The others scan nothing either, but where that is what is measured. TETHER_BENCH_SCAN=on leaves the default.
        text += "" if os.environ.get("TETHER_BENCH_SCAN") == "on" else "\n[inspect]\ndefault = []\n"
    config = _write(directory, "tether.toml", text)
    process = Process(name, [os.path.abspath(program("tether")), "run", "-c", config], directory)

    def healthy():
        connection = http.client.HTTPConnection(*admin, timeout=1.0)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return _launch(Running(name, process, plain), process, healthy)


def _relay(directory):
    plain = (loopback.PROXY, loopback.free_port())
    process = Process(RELAY, [os.path.abspath(program(RELAY)), host_port(plain)], directory)
    return _launch(Running(RELAY, process, plain), process, lambda: loopback.accepts(plain))


def _haproxy(name, directory, origins, held):
    plain = (loopback.PROXY, loopback.free_port())
    tunnel = (loopback.PROXY, loopback.free_port())
    servers = "\n".join(f"    server s{n} {host_port(origin)}" for n, origin in enumerate(origins))
    config = _write(directory, "haproxy.cfg", HAPROXY.format(
        proxy=host_port(plain), tunnel=host_port(tunnel), servers=servers,
        # For streams as its manual advises: pass events on at once, and close when the client has gone.
        streaming="option http-no-delay\n    option abortonclose" if held else "no option http-no-delay",
        splice=TUNNEL_OPTIONS[name]))
    process = Process(name, ["haproxy", "-db", "-f", config], directory)
    return _launch(Running(name, process, plain, tunnel, connects=False), process, lambda: loopback.accepts(plain))


def _squid(directory, added):
    os.chmod(os.path.dirname(directory), 0o755)
    while True:
        try:
            return _squid_with(directory, squid_workers[0], added)
        except CannotMeasure as error:
            if len(squid_workers) == 1:
                raise
            print(f"squid: {squid_workers.pop(0)} workers do not start, going on with fewer: {error}", file=sys.stderr)


def _squid_with(directory, workers, added):
    plain = (loopback.PROXY, loopback.free_port())
    logs = os.path.join(directory, f"squid-{workers}")
    os.mkdir(logs)
    os.chmod(logs, 0o777)  # Squid gives up root for a user of its own before it opens its log
    config = _write(logs, "squid.conf", SQUID.format(proxy=host_port(plain), workers=workers, logs=logs) + added)
    service = f"bench{os.getpid()}x{plain[1]}"
    process = Process("squid", ["squid", "--foreground", "-n", service, "-f", config], directory)
    running = Running("squid", process, plain, leftovers=[f"/run/squid/{service}-*", f"/dev/shm/{service}-*"])
    return _launch(running, process, lambda: loopback.accepts(plain))


def _tinyproxy(directory):
    plain = (loopback.PROXY, loopback.free_port())
    config = _write(directory, "tinyproxy.conf", TINYPROXY.format(
        address=plain[0], port=plain[1], log=os.path.join(directory, "tinyproxy-own.log")))
    process = Process("tinyproxy", ["tinyproxy", "-d", "-c", config], directory)
    return _launch(Running("tinyproxy", process, plain), process, lambda: loopback.accepts(plain))
