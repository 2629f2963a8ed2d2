"""Make synthetic months in place of real ones: make_months.py FOLDER ROWS MONTH..."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kit"))
from make_months import make_month


def main(folder: str, rows: str, *months: str) -> None:
    """Write the months to the folder."""
    for month in months:
        pq.write_table(make_month(month, int(rows)), Path(folder) / f"trips_{month}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
