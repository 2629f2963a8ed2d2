"""Work through many months, never more than LIMIT at once, in memory that stays flat.

Watch: the task runs end in threes; in the UI they stand in LIMIT lanes. A task hands back a
number, not the month that it read, and the futures of a batch are dropped before the next one
starts, so memory does not grow with what is read.

Run:   uv run poe example concurrency
Takes: about 8 seconds.
"""

import time

from prefect import flow, get_run_logger, task
from prefect.task_runners import ThreadPoolTaskRunner

LIMIT = 3
BATCH = 4 * LIMIT


def read_month(month: str) -> bytearray:
    """Read the trips of a month: here 8 MB that say nothing, slowly."""
    time.sleep(0.3)
    return bytearray(f"{month}\n".encode() * 1_000_000)


@task(task_run_name="count {month}")
def count_trips(month: str) -> int:
    """Count the trips in a month."""
    return read_month(month).count(b"\n")


@flow(task_runner=ThreadPoolTaskRunner(max_workers=LIMIT))  # type: ignore[arg-type]
def concurrency(months: list[str]) -> int:
    """Count the trips in all months."""
    total = 0
    for start in range(0, len(months), BATCH):
        batch = months[start : start + BATCH]
        total += sum(count_trips.map(batch).result())
        get_run_logger().info("%s trips up to %s", total, batch[-1])
    return total


if __name__ == "__main__":
    concurrency([f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)])
