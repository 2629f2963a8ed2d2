"""Make synthetic months and clean them, one a processor: clean_months.py FOLDER ROWS MONTHS."""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from taxi_duration.kit.modelling.months import clean_month

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kit"))
from make_months import make_month


def make(folder: Path, rows: int, number: int) -> None:
    """Make and clean one month; the raw one is deleted."""
    month = f"{2005 + number // 12}-{1 + number % 12:02}"
    raw = folder / f"{month}.parquet"
    pq.write_table(make_month(month, rows), raw)
    clean_month(raw, raw.name, folder)
    raw.unlink()


def main(folder: str, rows: str, count: str) -> None:
    """Write the cleaned months to the folder."""
    with ProcessPoolExecutor() as processes:
        list(processes.map(partial(make, Path(folder), int(rows)), range(int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])
