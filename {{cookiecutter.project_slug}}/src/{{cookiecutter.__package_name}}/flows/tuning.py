"""The flow `tune`: a search for better params."""

import os
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.task_runners import ThreadPoolTaskRunner

from ..kit.locations import Location
from ..kit.orchestration import find_device, one_at_a_time
from ..kit.project import PROJECT
from ..kit.records import Count, Month, TuneResult
from ..settings import Settings
from .shared import NETWORK_TASK, choose_months, fetch_and_clean

# With more at once, each would learn from fewer; each gets its share of the cores.
TRIALS_AT_ONCE = min(4, os.cpu_count() or 1)
THREADS_OF_TRIAL = (os.cpu_count() or 1) // TRIALS_AT_ONCE
SIDE_BY_SIDE: Any = ThreadPoolTaskRunner(max_workers=TRIALS_AT_ONCE)


@task(**NETWORK_TASK)
def open_search(months: list[Month], name: str) -> tuple[str, list[int]]:
    """Return the id of the search's MLflow run, and the numbers of the trials that are done."""
    from ..kit import tuning

    return tuning.open_search(months, name)


# No time limit: Prefect cannot stop what runs in a thread.
@task(task_run_name="trial {number}", **NETWORK_TASK | {"timeout_seconds": None})
def try_params(number: int, trials: int, search: str, months: list[Month], device: str) -> None:
    """Try params that look promising after the earlier trials, and log their error."""
    from ..kit import tuning

    found = tuning.try_next(number, search, months, THREADS_OF_TRIAL, device)
    get_run_logger().info(f"Trial {number + 1} of {trials}: {found}")


@task(**NETWORK_TASK)
def close_search(search: str, name: str) -> TuneResult:
    """Save the best trial's params under a name."""
    from ..kit import tuning

    return tuning.close_search(search, name)


@flow(name=f"{PROJECT}-tune", task_runner=SIDE_BY_SIDE)
@one_at_a_time("search")
def tune(
    train_paths: list[Location] | None = None,
    test_path: Location | None = None,
    trials: Count = 20,
    name: str = "tuned",
) -> TuneResult:
    """Search for better params, and save the best; it goes on where an earlier search ended.

    Args:
        train_paths: Months to try params on; by default all of the data location before the test.
        test_path: Month that is left for the test; by default the newest of the data location.
        trials: How many trials in all, with those done before on these months.
        name: Name to save the best params under: `train` takes it as its params_name.
    """
    train_paths, _ = choose_months(train_paths, test_path)
    months = [fetch_and_clean(path, Settings().checkpoint_dir) for path in train_paths]
    search, done = open_search(months, name)
    get_run_logger().info(f"{len(done)} of {trials} trials are done")
    device = find_device("memory")
    missing = [number for number in range(trials) if number not in done]
    for future in [try_params.submit(n, trials, search, months, device) for n in missing]:
        future.result()
    result = close_search(search, name)
    get_run_logger().info(result.reason)
    return result
