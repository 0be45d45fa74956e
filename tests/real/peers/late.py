# Tunnels whose client has ended its half: late.py PROXY SECONDS...; for each, a server that answers so long after the FIN.
import socket
import sys
import threading
import time


def serve(listener, seconds):
    served, _ = listener.accept()
    with served:
        while served.recv(1000):
            pass
        time.sleep(seconds)
        try:
            served.sendall(b"answer")
        except OSError:
            pass  # nobody is left to hear it


def ask(proxy, seconds, said):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, seconds), daemon=True).start()
    origin = "127.0.0.1:%d" % listener.getsockname()[1]
    host, port = proxy.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=seconds + 30) as client:
        client.sendall(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n".encode())
        file = client.makefile("rb")
        status = file.readline().decode().split(" ")[1]
        while file.readline().strip():
            pass
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        try:
            got = file.read().decode() or "nothing"
        except OSError as fault:
            got = repr(fault)
        said[seconds] = f"{seconds} s: {status}, {got} after {int(time.monotonic() - began)} s"


said, clients = {}, []
for seconds in map(int, sys.argv[2:]):
    clients.append(threading.Thread(target=ask, args=(sys.argv[1], seconds, said)))
    clients[-1].start()
for client in clients:
    client.join()
for _, line in sorted(said.items()):
    print(line)
