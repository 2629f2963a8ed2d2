"""Tasks that several flows use, and how tasks are tried again.

Tasks hand each other paths, ids and small values, never DataFrames: so caching is cheap, nothing
large reaches the server, and a flow run that is started again goes on from its checkpoints. They
import the kit where they use it: a worker, or --help, need not wait for pandas and MLflow.
"""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from ..kit.events import announce
from ..kit.orchestration import BY_CONTENT, checkpoint, is_retryable, name_with_file
from ..kit.project import PROJECT
from ..kit.records import Champion, Month
from ..settings import Settings

MINUTE, HOUR = 60, 60 * 60

# For tasks that reach a store or a server: three more tries after 2, 4 and 8 seconds (each up to
# half as long again, by chance), but none for what stays wrong, such as bad data. To change it for
# one task: NETWORK_TASK | {"retries": 5}.
NETWORK_TASK: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 4, 8],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_retryable,
    "timeout_seconds": 10 * MINUTE,
    "cache_policy": NO_CACHE,
}

# For tasks that make a checkpoint: done once for the same content and the same code. Call them by
# `checkpoint(task, ...)`, which does it again if the file is gone.
CACHED_TASK: dict[str, Any] = {
    "cache_policy": BY_CONTENT,
    "persist_result": True,
    "result_serializer": "json",
    "timeout_seconds": 4 * HOUR,
}


@task(**NETWORK_TASK)
def choose_months(
    train: list[str] | None, test: str | None, window: int | None = None
) -> tuple[list[str], str]:
    """Find the months to train on and the one to test on: those given, or the data location's."""
    from ..kit import sources

    settings = Settings()
    return sources.choose_months(train, test, window, settings.data_location, settings.raw_dir)


@task(**NETWORK_TASK)
def find_months(given: list[str] | None) -> list[str]:
    """Find the months that are given, or the newest of the data location."""
    from ..kit import sources

    settings = Settings()
    return sources.find_months(given, settings.data_location, settings.raw_dir)


@task(task_run_name=name_with_file, **NETWORK_TASK)
def fetch(location: str) -> Path:
    """Copy a month to this machine; a local file stays where it is."""
    from ..kit import sources

    return sources.fetch(location, Settings().raw_dir)


@task(task_run_name=name_with_file, **CACHED_TASK)
def clean(raw: Path, location: str, folder: Path) -> Month:
    """Check and clean a month to a checkpoint."""
    from ..kit.modelling.months import clean_month

    return clean_month(raw, location, folder)


def fetch_and_clean(location: str, folder: Path) -> Month:
    """Fetch and clean a month."""
    return checkpoint(clean, fetch(location), location, folder)


@task(**NETWORK_TASK)
def find_champion() -> Champion:
    """Find the champion."""
    from ..kit import registry

    return registry.the_champion()


@task(**NETWORK_TASK)
def make_champion(version: int, reason: str, by: str) -> str:
    """Move the alias champion to a version, and publish the audit trail as a Prefect artifact."""
    from ..kit import promotions

    summary = promotions.promote(version, reason, by).summary
    trail = [entry.model_dump(mode="json") for entry in promotions.promotions()]
    create_table_artifact(trail, key=f"{PROJECT}-promotions", description=summary)
    announce("promotion", f"{summary}: {reason}")
    return summary
