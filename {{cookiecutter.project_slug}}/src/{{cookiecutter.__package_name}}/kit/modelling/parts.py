"""Cleaned months part by part, so that no more than a part of them is in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq

SAMPLE_ROWS = 100_000


class Part(NamedTuple):
    """A row group of a cleaned month; its rows are numbered through all months."""

    path: Path
    group: int
    first_row: int
    rows: int


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """List the parts of cleaned months: a batch of `clean_month` each."""
    parts, row = [], 0
    for path in paths:
        file = pq.read_metadata(path)
        for group in range(file.num_row_groups):
            rows = file.row_group(group).num_rows
            if rows:
                parts.append(Part(path, group, row, rows))
            row += rows
    return parts


def read(part: Part, columns: list[str]) -> pd.DataFrame:
    """Return some columns of a part."""
    with pq.ParquetFile(part.path) as file:
        # Threads would take memory for each column.
        return file.read_row_group(part.group, columns, use_threads=False).to_pandas()


def sample(parts: Sequence[Part], columns: list[str]) -> pd.DataFrame:
    """Return every n-th row, about SAMPLE_ROWS of them."""
    step = max(1, sum(part.rows for part in parts) // SAMPLE_ROWS)
    # Copied, as a view would keep the whole part in memory.
    taken = [read(part, columns)[-part.first_row % step :: step].copy() for part in parts]
    return pd.concat(taken, ignore_index=True)
