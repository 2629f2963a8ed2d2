"""A tiny API on this machine that fails now and then, for the examples that call one."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

FACTS = {
    "/cat": "A cat sleeps for about 13 hours a day.",
    "/dog": "A dog's nose print is as unique as a fingerprint.",
}


@contextmanager
def flaky_server(seed: int, failures: float = 0.6) -> Iterator[str]:
    """URL of an API with a fact at /cat and at /dog; other paths answer 404.

    `failures` is the share of calls that answer 503. The same seed gives the same answers, path by
    path, whatever order the calls come in.
    """
    luck: dict[str, random.Random] = defaultdict(lambda: random.Random(seed))  # noqa: S311 luck only

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fact = FACTS.get(self.path)
            unlucky = luck[self.path].random() < failures
            self.send_response(404 if fact is None else 503 if unlucky else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"fact": fact}).encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet: the task's log tells enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
