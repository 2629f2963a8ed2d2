"""Shorter waits between retries, for programs that fail on purpose."""

from types import ModuleType


def shorten(tasks: ModuleType) -> None:
    """The same retries with the same backoff, but a fifth of the waits."""
    for name, task in vars(tasks).copy().items():
        if isinstance(task, tasks.Task) and isinstance(task.retry_delay_seconds, list):
            waits = [seconds / 5 for seconds in task.retry_delay_seconds]
            short = task.with_options(retry_delay_seconds=waits, retry_jitter_factor=0)
            setattr(tasks, name, short)
