# A crowd of tickers through a proxy that runs already: tickers.py PROXY PID COUNT; the figures as one line of JSON.
import json
import os
import pathlib
import sys

# What measures the crowd in the benchmark measures it here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "benches" / "peers"))

import crowd
from proxies import Running
from stream_origin import StreamOriginProcess
from web_origin import WebOrigin


class Attached:
    """A process that somebody else started and will end."""

    def __init__(self, pid):
        self.pid = pid

    def stop(self):
        pass


host, port = sys.argv[1].rsplit(":", 1)
proxy = Running("tether", Attached(int(sys.argv[2])), (host, int(port)))
with StreamOriginProcess(os.getcwd(), 10) as origin, WebOrigin(os.getcwd(), {crowd.PAGE: crowd.PAGE_BYTES}) as web:
    print(json.dumps(crowd.measure(proxy, origin.addresses, web, int(sys.argv[3]))))
