"""Shorter waits between retries, for programs that fail on purpose."""

import importlib
import pkgutil

from prefect import Task


def shorten(package: str) -> None:
    """Keep the retries of the flows' tasks and their backoff, with a fifth of the waits."""
    flows = importlib.import_module(f"{package}.flows")
    for found in pkgutil.iter_modules(flows.__path__):
        module = importlib.import_module(f"{package}.flows.{found.name}")
        for name, task in vars(module).copy().items():
            if isinstance(task, Task) and isinstance(task.retry_delay_seconds, list):
                waits = [seconds / 5 for seconds in task.retry_delay_seconds]
                short = task.with_options(retry_delay_seconds=waits, retry_jitter_factor=0)
                setattr(module, name, short)
