"""The command `split`: files of any rows cut into the files of data/, one a period."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from .csv_files import is_csv
from .locations import DataError
from .modelling.contract import PERIOD, TIME, Kind
from .modelling.periods import first_days, name_of
from .progress import progress
from .project import ROOT
from .splitting import Dated, write

# A date at the end of a file's name.
DATE = re.compile(r"[-_ ]*\d{4}[-_]?(W?\d\d)?([-_]?\d\d)?$")


def split(*files: Path, time: str = TIME, period: Kind = PERIOD, to: Path = ROOT / "data") -> None:
    """Cut CSV or parquet files by their times: all rows and columns, into one file a period.

    Nothing is written if a file cannot be used, or would be overwritten.

    Args:
        files: The files, all with the same columns.
        time: Name of the column of times; by default TIME of data.py.
        period: What one new file holds: month, week or day; by default PERIOD of data.py.
        to: Folder of the new files; by default data/.
    """
    if not files:
        raise DataError("split: no file is given; name one, such as sales.csv")
    if missing := [str(path) for path in files if not path.is_file()]:
        raise DataError(f"{', '.join(missing)}: no such file; check the path")
    read = partial(_read, files, time)
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".splitting-", dir=to) as temporary:
        name = DATE.sub("", files[0].name.partition(".")[0]) or "rows"
        ending = "csv" if is_csv(str(files[0])) else "parquet"
        try:
            days = np.unique(np.concatenate([np.unique(days) for days, _ in read(period)]))
            names = {day: name_of(day, period) for day in days[~np.isnat(days)]}
            made = {d: Path(temporary) / f"{name}_{p}.{ending}" for d, p in names.items()}
            write(partial(read, period), made)
        except (pa.ArrowException, KeyError, UnicodeDecodeError) as error:
            given, reason = ", ".join(map(str, files)), str(error).split("\n")[0]
            raise DataError(f"{given}: {reason}; check the files, and --time") from error
        if there := [path.name for path in made.values() if (to / path.name).exists()]:
            raise DataError(f"{to}: {', '.join(there[:3])} are there already; delete them first")
        for path in made.values():
            print(path.rename(to / path.name))
    if inside := [path.name for path in files if path.resolve().parent == to.resolve()]:
        print(f"Now move {', '.join(inside)} out of {to}: its rows are there twice")


def _read(files: Sequence[Path], time: str, period: Kind) -> Iterator[Dated]:
    """Yield the rows of files as they are; those of CSV are texts."""
    columns = None
    for path in files:
        for batch in progress(_batches(path), None, f"Splitting {path.name}", "batches"):
            columns = columns or batch.schema
            if batch.schema.names != columns.names:
                raise DataError(f"{path}: has other columns than {files[0]}; split it by itself")
            times = batch.column(time).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            yield first_days(times, period), batch.cast(columns)


def _batches(path: Path) -> Iterator[Any]:
    if not is_csv(str(path)):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches()
        return
    with csv.open_csv(path) as file:
        texts = {name: pa.string() for name in file.schema.names}
    with csv.open_csv(path, convert_options=csv.ConvertOptions(column_types=texts)) as file:
        yield from file
