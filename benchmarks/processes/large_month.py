"""A month of as many rows as you like, drawn from another: large_month.py MONTH ROWS OUT."""

import sys

import numpy as np
import pyarrow.parquet as pq

ROWS = 100_000


def main(source: str, rows: str, out: str) -> None:
    """Draw the rows with replacement, in batches."""
    month, left = pq.read_table(source), int(rows)
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(out, month.schema) as file:
        while left > 0:
            drawn = np.sort(rng.integers(0, len(month), min(left, ROWS)))
            file.write_table(month.take(drawn))
            left -= ROWS


if __name__ == "__main__":
    main(*sys.argv[1:])
