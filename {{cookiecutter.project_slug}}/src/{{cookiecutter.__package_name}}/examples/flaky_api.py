"""Call an API that fails now and then: retries with backoff and jitter, and a time limit.

Watch: /cat answers 503 twice and then a fact, so its task run takes three attempts, with a longer
pause before each. /cow answers 404: asking again would not help, so it is asked once.

Run:   uv run poe example flaky_api [URL ...]     (without a URL it starts an API of its own)
Takes: about 8 seconds.
"""

import asyncio
import sys
from typing import Any

import httpx
from prefect import flow, get_run_logger, task
from prefect.tasks import exponential_backoff

from ._server import flaky_server


def may_recover(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to try again: a server or a network may recover; a wrong request will not."""
    error = state.data
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError | TimeoutError)


@task(
    task_run_name="fetch {url}",
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_recover,
    timeout_seconds=5,
)
async def fetch_fact(url: str) -> str:
    """Fetch the fact that an API answers with; an attempt takes 5 seconds at most, all in all."""
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    response.raise_for_status()
    return str(response.json()["fact"])


@flow
async def flaky_api(urls: list[str]) -> dict[str, str]:
    """Facts by URL; one that fails in the end is left out."""
    facts = {}
    for url in urls:
        try:
            facts[url] = await fetch_fact(url)
        except (httpx.HTTPError, TimeoutError) as error:
            get_run_logger().warning("No fact: %s", error)
    get_run_logger().info("%s of %s answered: %s", len(facts), len(urls), facts)
    return facts


if __name__ == "__main__":
    with flaky_server(seed=7) as server:
        asyncio.run(flaky_api(sys.argv[1:] or [f"{server}/cat", f"{server}/cow"]))
