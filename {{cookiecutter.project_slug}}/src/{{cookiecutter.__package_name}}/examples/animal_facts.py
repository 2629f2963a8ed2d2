"""Two subflows at the same time: one that fails does not lose the other's result.

Watch: the cat's API answers and the dog's has gone (404). The parent says who did not answer and
ends as its policy says: Completed with at least `needed` facts, Failed with fewer. In the UI, see
both subflows in the parent's graph, and the facts among its artifacts.

Run:   uv run poe example animal_facts [needed]     (2 makes the parent fail)
Takes: about 8 seconds.
"""

import asyncio
import sys

import httpx
from prefect import State, flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact
from prefect.exceptions import FailedRun
from prefect.states import Completed, Failed

from ._server import flaky_server
from .flaky_api import fetch_fact


@flow(flow_run_name="{animal}")
async def animal_fact(animal: str, url: str) -> str | State[str]:
    """Fetch a fact about an animal; Failed if its API does not answer in the end."""
    try:
        return await fetch_fact(url)
    except (httpx.HTTPError, TimeoutError):
        return Failed(message=f"no fact about the {animal} from {url}")


@flow
async def animal_facts(urls: dict[str, str], needed: int = 1) -> State[dict[str, str]]:
    """Facts by animal, as many as there are; Failed if they are fewer than needed."""
    subflows = [animal_fact(animal, url) for animal, url in urls.items()]
    answers = dict(zip(urls, await asyncio.gather(*subflows, return_exceptions=True), strict=True))
    told = "\n".join(f"- {animal}: {answer}" for animal, answer in answers.items())
    get_run_logger().info("Facts:\n%s", told)
    await acreate_markdown_artifact(f"# Animal facts\n{told}", key="animal-facts")
    facts = {animal: answer for animal, answer in answers.items() if isinstance(answer, str)}
    message = f"{len(facts)} of {len(answers)} animals answered, {needed} needed"
    if len(facts) < needed:
        return Failed(message=message)
    return Completed(message=message, data=facts)


if __name__ == "__main__":
    with flaky_server(seed=7) as server:
        urls = {"cat": f"{server}/cat", "dog": f"{server}/gone"}
        try:
            asyncio.run(animal_facts(urls, *map(int, sys.argv[1:2])))
        except FailedRun as error:
            sys.exit(f"error: {error}")
