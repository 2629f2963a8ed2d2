"""What tasks and flows share: which failures are tried again, caching by content, taking turns."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.orchestration import get_client
from prefect.context import TaskRunContext
from prefect.exceptions import ObjectNotFound
from prefect.runtime import task_run
from prefect.utilities.urls import url_for

from ..settings import Settings
from .files import CODE, file_digest, text_digest
from .locations import file_name
from .project import PACKAGE, PROJECT
from .records import Verdict

# Prefect sends what the package logs to the server, but leaves its level at WARNING.
logging.getLogger(PACKAGE).setLevel(logging.INFO)

# What is wrong with data or code.
FINAL = (ValueError, TypeError, LookupError, AttributeError, ImportError)
P = ParamSpec("P")
R = TypeVar("R")


def is_retryable(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether to try again: a network may recover; bad data or a bug will not."""
    return not isinstance(state.data, FINAL)


def is_lost_worker(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether workers of a cluster were lost: another try has the others, or new ones."""
    return isinstance(state.data, ConnectionError)


def _content_key(context: TaskRunContext, arguments: dict[str, Any]) -> str:
    read = [
        file_digest(value) if isinstance(value, Path) and value.is_file() else repr(value)
        for value in arguments.values()
    ]
    return text_digest("\n".join([context.task.task_key, CODE, *read]))


# For tasks that make a checkpoint: cached by what they read and by the code that makes models.
BY_CONTENT = CacheKeyFnPolicy(cache_key_fn=_content_key)


def checkpoint(task: Task[P, R], *args: P.args, **options: P.kwargs) -> R:
    """Call a cached task; again without the cache if the file that it made is gone."""
    made = task(*args, **options)
    path = Path(str(getattr(made, "path", made)))
    return made if path.exists() else task.with_options(refresh_cache=True)(*args, **options)


def wait_for_approval(verdict: Verdict, version: int) -> Verdict:
    """Leave a promotion to a person, and say in the reason how it is done."""
    if not verdict.promoted:
        return verdict
    how, page = f"uv run poe promote --version {version}", None
    with suppress(ObjectNotFound), get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(f"{PROJECT}-promote/by-hand")
        page = url_for("deployment", found.id)
    how = f"{how}, or {page}" if page else how
    reason = f"{verdict.reason}; it waits for approval: {how}"
    return verdict.model_copy(update={"promoted": False, "reason": reason})


def find_device(engine: str) -> str:
    """Find what XGBoost trains on, as the settings say, and log it."""
    from .modelling.boosting import choose_device

    device, where = choose_device(Settings().device, engine)
    get_run_logger().info(where)
    return device


def name_with_file() -> str:
    """Return a task run's name such as "clean sales_2024-01.parquet"."""
    return f"{task_run.task_name} {file_name(task_run.parameters['location'])}"


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait for any other training or search with this state folder.

    Two trainings would race for the champion, two searches make each trial twice. The operating
    system ends the lock with its process, however that ends.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(Settings().checkpoint_dir / f"{what}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        get_run_logger().info(f"Another {what} is at work; this one waits for its end")
        held = lock.acquire()
    with held:
        yield
