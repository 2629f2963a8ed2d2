# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""What `serve` answers: 8 clients, 1,000 requests, of one row and of a hundred."""

import http.client
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import (
    PACKAGE,
    arguments,
    bake,
    free_port,
    poe_environment,
    publish,
    python,
    run,
    serving,
    table,
)

CLIENTS, REQUESTS = 8, 1_000
ROW = {
    "lpep_pickup_datetime": "2024-03-01T08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.5,
    "VendorID": 2.0,
    "trip_type": 1.0,
}


def ask(port: int, rows: int, requests: int) -> list[float]:
    """Seconds that each of a client's requests took, one after the other."""
    body = json.dumps({"dataframe_records": [ROW] * rows})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        predictions = json.loads(answer.read())["predictions"]
        took.append(time.perf_counter() - start)
        if answer.status != 200 or len(predictions) != rows:
            raise RuntimeError(f"{answer.status}: {predictions}")
    connection.close()
    return took


def load(port: int, rows: int) -> tuple[float, float, float]:
    """Return requests a second, and the median and the 99th percentile of their milliseconds."""
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(ask, port, rows, REQUESTS // CLIENTS) for _ in range(CLIENTS)]
        took = [seconds for client in asked for seconds in client.result()]
    rate = len(took) / (time.perf_counter() - start)
    centiles = statistics.quantiles(took, n=100)
    return rate, 1000 * centiles[49], 1000 * centiles[98]


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder)
        env = {"PREFECT_HOME": str(folder / "prefect"), **poe_environment(project)}
        run([python(project), "-m", PACKAGE, "train"], project, env)
        port = free_port()
        command = [python(project), "-m", PACKAGE, "serve"]
        with serving(command, f"http://127.0.0.1:{port}", "/health", project, env):
            ask(port, 1, 20)
            for size in (1, 100):
                loads = [load(port, size) for _ in range(given.times)]
                rate, p50, p99 = map(statistics.median, zip(*loads, strict=True))
                rows.append([size, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}"])
    header = ["Rows a request", "Requests a second", "p50 (ms)", "p99 (ms)"]
    publish(f"Serving, {CLIENTS} clients, {REQUESTS:,} requests", table(header, rows), given.output)


if __name__ == "__main__":
    main()
