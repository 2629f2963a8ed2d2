"""Progress bars for what takes long; on a terminal only, so that logs stay clean."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

PATIENCE = 2
"""Seconds before a bar appears."""


def progress(steps: Iterable[T], total: int, what: str, unit: str) -> Iterator[T]:
    """The steps, with a bar that counts them on a terminal, and goes away at the end."""
    # disable=None: not shown where the output is no terminal.
    return iter(tqdm(steps, what, total, leave=False, delay=PATIENCE, unit=unit, disable=None))
