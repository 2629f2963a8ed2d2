"""Ask an endpoint for some seconds: load.py PORT ROWS CLIENTS SECONDS.

Prepared bytes over plain sockets, so that little of a processor goes into the asking.
"""

import json
import socket
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROW = {
    "lpep_pickup_datetime": "2024-03-01T08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.5,
    "VendorID": 2.0,
    "trip_type": 1.0,
}


def request(port: int, rows: int) -> bytes:
    """Return a whole request for the predictions of so many rows."""
    body = json.dumps({"dataframe_records": [ROW] * rows}).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return head and body of the next answer."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def ask(port: int, rows: int, until: float) -> list[float]:
    """Return the seconds that each of a client's requests took, one after the other."""
    sent, took = request(port, rows), []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.perf_counter() < until:
            start = time.perf_counter()
            connection.sendall(sent)
            head, body = answer(connection)
            took.append(time.perf_counter() - start)
            if b" 200 " not in head.split(b"\r\n")[0] or (
                len(took) == 1 and len(json.loads(body)["predictions"]) != rows
            ):
                raise RuntimeError(f"{head.decode()}\n{body.decode()}")
    return took


def main(port: int, rows: int, clients: int, seconds: int) -> None:
    """Print requests a second, and the median and 99th percentile of their milliseconds."""
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(ask, port, rows, until) for _ in range(clients)]
        took = [request for client in asked for request in client.result()]
    centiles = statistics.quantiles(took, n=100)
    rate = len(took) / seconds
    print(f"rate={rate:.1f} p50={1000 * centiles[49]:.2f} p99={1000 * centiles[98]:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
