# The origin for throughput: nginx serving three files of known size with sendfile.
"""One nginx with two workers answers all proxies alike; access log off, connections never closed by it."""

import os

import loopback
from processes import Process

CONFIG = """\
daemon off;
{user}
worker_processes 2;
worker_rlimit_nofile 16384;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    server {{
        listen {listen} backlog=4096;
        root {directory}/www;
    }}
}}
"""


class WebOrigin:
    """A running nginx. `path` of a file is its name in `sizes`."""

    def __init__(self, directory, sizes):
        self.address = (loopback.PROXY, loopback.free_port())
        self.sizes = sizes
        www = os.path.join(directory, "www")
        os.makedirs(www, exist_ok=True)
        for name, size in sizes.items():
            path = os.path.join(www, name)
            with open(path, "wb") as file:
                file.truncate(size)
            with open(path, "rb") as file:  # into the page cache before anything is timed
                while file.read(1 << 20):
                    pass
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            user = "user root;" if os.geteuid() == 0 else ""
            file.write(CONFIG.format(directory=directory, listen=loopback.host_port(self.address), user=user))
        self._process = Process("nginx", ["nginx", "-p", directory, "-e", "stderr", "-c", config], directory)

    def __enter__(self):
        try:
            self._process.wait_until(lambda: loopback.accepts(self.address))
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_):
        self._process.stop()

    def url(self, name):
        return f"http://{loopback.host_port(self.address)}/{name}"
