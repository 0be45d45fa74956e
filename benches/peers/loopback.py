# Addresses on the loopback network: where clients come from, where origins live, and ports nobody uses.
"""Load is spread over many addresses, so that neither ephemeral ports nor a proxy's limits per source, per destination
or per pair decide the outcome: what is measured is the cost of a stream, not the refusal of one."""

import errno
import socket

SOURCES = [f"127.0.1.{n}" for n in range(1, 65)]
ORIGINS = [f"127.0.2.{n}" for n in range(1, 17)]
PROXY = "127.0.0.1"


def free_port(address=PROXY):
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def accepts(address):
    """Does somebody accept connections at this (host, port)?"""
    try:
        socket.create_connection(address, timeout=1.0).close()
        return True
    except OSError:
        return False


def connect_from(source, address):
    """A non-blocking socket on its way from `source` to `address`."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        sock.bind((source, 0))
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, f"connect to {address[0]}:{address[1]}")
        return sock
    except OSError:
        sock.close()
        raise


def host_port(address):
    return f"{address[0]}:{address[1]}"
