# An origin that does what it is asked for; prints its port. What it sees it leaves as files in --directory.
import argparse
import gzip
import hashlib
import http.server
import os
import pathlib
import socket
import ssl
import threading
import time
import urllib.parse

import frames

PAGE = pathlib.Path(__file__).with_name("page.html").read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def do_GET(self):
        path, _, query = self.path.partition("?")
        first, *rest = path.strip("/").split("/")
        answer = getattr(self, f"get_{first}", None)
        if answer is None:
            return self.send(404, b"no such page\n")
        return answer({name: values[-1] for name, values in urllib.parse.parse_qs(query).items()}, rest)

    do_HEAD = do_GET

    def handle_expect_100(self):
        # Python leaves it in the buffer.
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def do_POST(self):
        digest, size = hashlib.sha256(), 0
        for piece in self.body():
            digest.update(piece)
            size += len(piece)
        self.send(200, f"{digest.hexdigest()} {size} expect={self.headers.get('Expect', '')}".encode())

    do_PUT = do_POST

    # === Pages ===

    def get_hello(self, query, rest):
        self.send(200, b"hello\n")

    def get_gzip(self, query, rest):
        self.send(200, gzip.compress(b"hello, compressed"), ("Content-Encoding", "gzip"))

    def get_redirect(self, query, rest):
        times = int(query["times"]) - 1
        path = f"/redirect?times={times}" if times else "/hello"
        self.send(302, b"", ("Location", f"http://{self.headers['Host']}{path}"))

    def get_chunked(self, query, rest):
        self.begin(("Transfer-Encoding", "chunked"))
        with open(self.server.directory / "chunked.sent", "wb") as sent:
            for _ in range(int(query["chunks"])):
                data = os.urandom(1000)
                sent.write(data)
                self.chunk(data)
        self.chunk(b"")

    def get_endless(self, query, rest):
        self.begin(("Transfer-Encoding", "chunked"))
        self.until_closed("endless", lambda: self.chunk(b"x" * 16_000))

    def get_silent(self, query, rest):
        """No answer at all until the asker goes."""
        self.note("silent.asked")
        self.until_closed("silent", lambda: self.connection.recv(1) or self.gone())

    def get_half(self, query, rest):
        first, second = b"first half, ", b"second half\n"
        self.begin(("Content-Length", str(len(first + second))))
        self.wfile.write(first)
        self.wfile.flush()
        self.connection.settimeout(0.05)
        while not (self.server.directory / "half.release").exists():
            try:
                return self.connection.recv(1) or self.note("half.closed")
            except TimeoutError:
                pass
            except ConnectionError:
                return self.note("half.closed")
        self.connection.settimeout(None)
        self.wfile.write(second)

    # === What the page of the browser asks for ===

    def get_page(self, query, rest):
        self.send(200, PAGE, ("Content-Type", "text/html; charset=utf-8"))

    def get_part(self, query, rest):
        self.send(200, b"partLoaded();\n", ("Content-Type", "text/javascript"), ("Cache-Control", "no-store"))

    def get_events(self, query, rest):
        self.begin(("Content-Type", "text/event-stream"))
        self.close_connection = True
        for number in range(3):
            self.wfile.write(f"data: event {number}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.05)
        self.until_closed("events", lambda: self.connection.recv(1) or self.gone())

    def get_scores(self, query, rest):
        """A ticker that does not say that it is one; after two events the file `then`, where there is one."""
        self.begin(("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked"))
        for number in range(1000):
            self.chunk(b"goal %d\n" % number)
            if number == 1 and "then" in query:
                self.chunk((self.server.directory / query["then"]).read_bytes())
            self.wfile.flush()
            time.sleep(1.5)

    def get_report(self, query, rest):
        self.note("report", query["text"])
        self.send(200, b"thank you\n")

    def get_until_told(self, query, rest):
        deadline = time.monotonic() + 60
        while not (self.server.directory / "report").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.send(200, b"told\n")

    def get_ws(self, query, rest):
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", frames.accept_key(self.headers["Sec-WebSocket-Key"]))
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        kind = None
        while kind != frames.CLOSE:
            kind, payload = frames.read_frame(self.rfile)
            frames.write_frame(self.wfile, kind, payload, mask=False)

    # === Parts of answers ===

    def begin(self, *fields):
        self.send_response(200)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def send(self, status, body, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield frames.exactly(self.rfile, size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def until_closed(self, name, step):
        """Repeats `step` until the connection is gone, which is noted."""
        self.close_connection = True
        try:
            while True:
                step()
        except OSError:
            self.note(f"{name}.closed")

    def gone(self):
        raise ConnectionResetError

    def note(self, name, text=""):
        # Whole or not at all: somebody waits for this file, and others may write it too.
        part = self.server.directory / f"{name}.{threading.get_ident()}.part"
        part.write_text(text)
        part.rename(self.server.directory / name)

    def log_message(self, *_):
        pass


class Origin(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    address_family = socket.AF_INET

    def handle_error(self, request, client_address):
        pass  # a connection that ends is what the checks are about


arguments = argparse.ArgumentParser()
arguments.add_argument("--directory", type=pathlib.Path, required=True)
arguments.add_argument("--tls", action="store_true", help="with cert.pem and key.pem of the directory")
options = arguments.parse_args()
origin = Origin(("127.0.0.1", 0), Handler)
origin.directory = options.directory
if options.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.directory / "cert.pem", options.directory / "key.pem")
    origin.socket = context.wrap_socket(origin.socket, server_side=True, do_handshake_on_connect=False)
print(origin.server_address[1], flush=True)
origin.serve_forever()
