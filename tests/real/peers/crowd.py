# Clients that connect and say nothing: crowd.py PROXY COUNT; prints "open" once all are there, and stays until ended.
import signal
import socket
import sys

host, port = sys.argv[1].rsplit(":", 1)
clients = [socket.create_connection((host, int(port)), timeout=30) for _ in range(int(sys.argv[2]))]
print("open", flush=True)
signal.pause()
