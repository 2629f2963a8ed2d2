"""Cache a task by what it reads: the same file is not read twice, a changed one is.

Watch: the first call reads the file (Completed), the second takes the result of the first
(Cached), and after a line is added the third reads again. The key is made of the file's content,
not of its name or its time. Run it again within a minute: all three are Cached, since results
outlive the flow run.

Run:   uv run poe example caching
Takes: about 5 seconds.
"""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.context import TaskRunContext


def content(context: TaskRunContext, arguments: dict[str, Any]) -> str:
    """Make the cache key: which task, and the content of what it reads."""
    return f"{context.task.task_key}-{sha256(arguments['path'].read_bytes()).hexdigest()}"


def total(path: Path) -> float:
    """Sum of the durations in a file, one a line, in minutes."""
    return sum(float(line) for line in path.read_text().split())


@task(cache_key_fn=content, cache_expiration=timedelta(minutes=1), persist_result=True)
def read(path: Path) -> float:
    """Sum up a month; think of it as slow."""
    return total(path)


@flow
def caching(path: Path) -> list[tuple[str, float]]:
    """State and total of three calls: of a file, of the same file, and of the changed file."""
    path.write_text("12.5\n7.5\n")
    states = [read(path, return_state=True), read(path, return_state=True)]
    path.write_text("12.5\n7.5\n30\n")
    states.append(read(path, return_state=True))
    calls = [(str(state.name), state.result()) for state in states]
    get_run_logger().info("State and total of each call: %s", calls)
    return calls


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        caching(Path(folder, "trips.txt"))
