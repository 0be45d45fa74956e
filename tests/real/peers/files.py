# Files of every size, some of them infected, and who fetches all of them: files.py write WWW COUNT puts them below WWW, by how
# nginx is to frame them; files.py fetch WWW PROXY ORIGIN COUNT asks for each and says what was not as it should be.
import collections
import hashlib
import http.client
import itertools
import pathlib
import queue
import random
import sys
import threading
import time

FRAMINGS = ["length", "chunked", "close"]
PLACES = ["start", "middle", "end"]
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + rb"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EDGES = [1, 2, 4095, 4096, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20, 50_000_000]
# Beginnings: what a file is shows there. None of them is anything that can be unpacked.
KINDS = {"txt": b"plain ", "html": b"<!doctype html><p>", "json": b'{"a":"', "exe": b"MZ\x90\x00", "pdf": b"%PDF-1.4\n",
         "bin": b"\x01", "jpg": b"\xff\xd8\xff\xe0"}
NOISE = random.Random(0).randbytes(1 << 20)
CLIENTS = 8
PER_CONNECTION = 20


class File:
    """The file of a number: always the same."""

    def __init__(self, number):
        chance = random.Random(number)
        self.framing = FRAMINGS[number % 3]
        self.infected = number % 50 == 49
        self.place = PLACES[number // 150 % 3] if self.infected else None
        self.kind = list(KINDS)[chance.randrange(len(KINDS))]
        self.size = self._size(number, chance)
        self.shift = chance.randrange(len(NOISE))
        self.name = f"{self.framing}/{number}.{self.kind}"

    def _size(self, number, chance):
        if number < len(EDGES):
            return EDGES[number]
        if self.infected and number // 50 % 2 == 0:
            return chance.randrange(3_000_000, 6_000_000)
        for share, largest in ((0.7, 8_000), (0.95, 200_000), (0.995, 2_000_000), (1.0, 20_000_000)):
            if chance.random() < share:
                return chance.randrange(1, largest)
        return 1

    def write(self, folder):
        begin = KINDS[self.kind][: self.size]
        noise = itertools.islice(itertools.cycle([NOISE[self.shift:] + NOISE[:self.shift]]), self.size // len(NOISE) + 1)
        # nginx swallows what may begin a directive at the very end.
        body = (begin + b"".join(noise))[: self.size - 1] + b"."
        at = {"start": 0, "middle": self.size // 2, "end": self.size}.get(self.place)
        if at is not None:
            body = body[:at] + EICAR + body[at:]
        (folder / self.name).write_bytes(body)

    def trickled(self, length):
        """Most bytes that may go out of so many before all were scanned."""
        return max(0, min(4096 + length // 1000, length - (64 << 10)))


class Fetcher(threading.Thread):
    """A client with kept connections."""

    def __init__(self, folder, proxy, origin, numbers, told):
        super().__init__()
        self.folder, self.proxy, self.origin, self.numbers, self.told = folder, proxy, origin, numbers, told
        self.connection, self.asked = None, 0

    def run(self):
        while True:
            try:
                number = self.numbers.get_nowait()
            except queue.Empty:
                return
            try:
                self.told.append(self.fetch(File(number)))
            except Exception as fault:
                self.connection = None
                self.told.append(f"{File(number).name}: {fault!r}")

    def fetch(self, file):
        if self.connection is None or self.asked >= PER_CONNECTION:
            host, port = self.proxy.rsplit(":", 1)
            self.connection, self.asked = http.client.HTTPConnection(host, int(port), timeout=60), 0
        self.asked += 1
        self.connection.request("GET", f"http://{self.origin}/{file.name}")
        answer = self.connection.getresponse()
        got, is_whole, page = self.read(answer)
        if answer.will_close or not is_whole:
            self.connection.close()
            self.connection = None
        return self.judge(file, answer.status, got, is_whole, page)

    @staticmethod
    def read(answer):
        """What came, as (SHA-256, length), whether to its end, and its beginning."""
        digest, length, beginning = hashlib.sha256(), 0, b""
        try:
            while piece := answer.read(1 << 16):
                digest.update(piece)
                length += len(piece)
                beginning += piece if len(beginning) < 65536 else b""
        except http.client.IncompleteRead as cut:
            return (None, length + len(cut.partial)), False, beginning
        except ConnectionError:
            return (None, length), False, beginning
        is_whole = not answer.length
        return (digest.hexdigest(), length), is_whole, beginning

    def judge(self, file, status, got, is_whole, page):
        body = (self.folder / file.name).read_bytes()
        what = f"{file.name} ({len(body)} bytes, infected {file.place}): {status}, {got[1]} bytes, whole {is_whole}"
        if not file.infected:
            is_same = status == 200 and is_whole and got == (hashlib.sha256(body).hexdigest(), len(body))
            return "arrived" if is_same else what
        if status == 403:
            return "stopped" if is_whole and EICAR not in page else what
        is_cut = status == 200 and not is_whole and got[1] <= file.trickled(len(body))
        return "cut" if is_cut else what


def main():
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    count = int(sys.argv[-1])
    if command == "write":
        for framing in FRAMINGS:
            (folder / framing).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            File(number).write(folder)
        return
    began, told, numbers = time.monotonic(), [], queue.Queue()
    for number in range(count):
        numbers.put(number)
    fetchers = [Fetcher(folder, *sys.argv[3:5], numbers, told) for _ in range(CLIENTS)]
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join()
    sums = collections.Counter(one if one in ("arrived", "stopped", "cut") else "wrong" for one in told)
    print(f"{sums['arrived']} arrived, {sums['stopped'] + sums['cut']} stopped, {sums['wrong']} wrong")
    print(f"{time.monotonic() - began:.1f} s, {sums['cut']} of them cut", file=sys.stderr)
    print("\n".join(one for one in told if ": " in one), file=sys.stderr)


main()
