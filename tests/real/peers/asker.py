# Clients with kept connections: asker.py PROXY ORIGIN...; says how many answers came, and every one that was wrong.
import argparse
import http.client
import itertools
import random
import sys
import threading
import time

BODY = b"x" * 1000
HOPELESS = 5  # so many wrong answers, and nobody asks on


class Asker(threading.Thread):
    """One client: all its requests go over one connection, for as long as the proxy keeps it."""

    def __init__(self, number, origin, options, done):
        super().__init__()
        self.number, self.origin, self.options, self.done = number, origin, options, done
        self.random = random.Random(number)
        self.proxy = None

    def run(self):
        # The posts stand among the gets, not behind them.
        methods = ["GET"] * self.options.gets + ["POST"] * self.options.posts
        self.random.shuffle(methods)
        low, high = self.options.pause or (0, 0)
        for turn, method in enumerate(methods):
            if self.options.every and turn % self.options.every == self.options.every - 1:
                time.sleep(self.random.uniform(low, high))
            self.done.append(self.ask(method, turn))
            if sum(1 for one in self.done if one != "200") >= HOPELESS:
                return

    def ask(self, method, turn):
        """The status of the answer, or what came in its place."""
        path = f"{self.options.path}{self.number}-{turn}"
        began = time.monotonic()
        try:
            if self.proxy is None:
                host, port = self.options.proxy.rsplit(":", 1)
                self.proxy = http.client.HTTPConnection(host, int(port), timeout=self.options.patience)
            self.proxy.request(method, f"http://{self.origin}{path}", body=BODY if method == "POST" else None)
            answer = self.proxy.getresponse()
            body = answer.read()
            if answer.will_close:
                self.proxy = None
            return "200" if answer.status == 200 and body else self.wrong(method, path, answer.status, began)
        except (OSError, http.client.HTTPException) as fault:
            self.proxy = None
            return self.wrong(method, path, repr(fault), began)

    def wrong(self, method, path, what, began):
        return f"{method} {path}: {what} after {time.monotonic() - began:.1f} s"


arguments = argparse.ArgumentParser()
arguments.add_argument("proxy")
arguments.add_argument("origins", nargs="+", help="clients take them in turn")
arguments.add_argument("--clients", type=int, default=4)
arguments.add_argument("--gets", type=int, default=0, help="of each client")
arguments.add_argument("--posts", type=int, default=0, help="of each client")
arguments.add_argument("--pause", type=float, nargs=2, metavar=("FROM", "TO"), help="seconds")
arguments.add_argument("--every", type=int, default=0, help="requests after which there is a pause")
arguments.add_argument("--path", default="/id-")
arguments.add_argument("--patience", type=float, default=30)
options = arguments.parse_args()
done = []
askers = [Asker(number, origin, options, done)
          for number, origin in zip(range(options.clients), itertools.cycle(options.origins))]
for asker in askers:
    asker.start()
for asker in askers:
    asker.join()
wrong = [one for one in done if one != "200"]
print(f"{len(done) - len(wrong)} answers, {len(wrong)} wrong")
print("\n".join(wrong[:20]), end="\n" if wrong else "", file=sys.stderr)
