"""Files whose names do not say which period they hold, cut into one file a period."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from .files import CODE, file_digest, replacing, text_digest
from .modelling.contract import PERIOD, SCHEMA, TIME
from .modelling.parquet import RawMonth
from .modelling.periods import first_day_of, first_days

# Below this share of the median period's rows a period is a slip of the clock.
STRAY = 0.01
# Files that are written at a time: an operating system allows about a thousand.
MOST_OPEN = 400

# Rows, and of each the first day of its period.
Dated = tuple[NDArray[np.datetime64], pa.RecordBatch]

logger = logging.getLogger(__name__)


def split(raws: Sequence[Path], sources: Sequence[str], name: str, folder: Path) -> list[Path]:
    """Return a file in `folder` for each period of the rows of raw files, in order of time.

    Made once for the same content; each is called by `name` and the period. All raw files need
    the columns that the first one has. Raises DataError where one cannot be used.
    """
    digest = text_digest(" ".join([CODE, *map(file_digest, raws)]))
    parts = folder / f"{digest}-{name}"
    if not parts.exists():
        counts = Counter[str]()
        for raw, source in zip(raws, sources, strict=True):
            with RawMonth(raw, source, pa.schema([SCHEMA.field(TIME)])) as times:
                counts += times.periods(TIME)
        names = {first_day_of(each): each for each in _without_strays(counts, name)}
        with replacing(parts) as temporary:
            temporary.mkdir()
            files = {day: temporary / f"{name}_{each}.parquet" for day, each in names.items()}
            write(partial(_read, raws, sources), files)
    return sorted(parts.iterdir())


def write(read: Callable[[], Iterator[Dated]], files: Mapping[np.datetime64, Path]) -> None:
    """Write rows to the file of their period, CSV or parquet; periods without a file are left out.

    Memory holds a batch; `read` is called once for each MOST_OPEN files.
    """
    for start in range(0, len(files), MOST_OPEN):
        some = dict(islice(files.items(), start, start + MOST_OPEN))
        with ExitStack() as stack:
            outs: dict[np.datetime64, Any] = {}
            for days, batch in read():
                for day in some.keys() & np.unique(days[~np.isnat(days)]):
                    if day not in outs:
                        outs[day] = stack.enter_context(_open(some[day], batch.schema))
                    outs[day].write_batch(batch.filter(pa.array(days == day)))


def _open(path: Path, columns: pa.Schema) -> Any:
    is_csv = path.suffix == ".csv"
    return csv.CSVWriter(path, columns) if is_csv else pq.ParquetWriter(path, columns)


def _read(raws: Sequence[Path], sources: Sequence[str]) -> Iterator[Dated]:
    found = pq.read_schema(raws[0]).names
    columns = pa.schema([field for field in SCHEMA if field.name in found])
    for raw, source in zip(raws, sources, strict=True):
        with RawMonth(raw, source, columns) as rows:
            for batch in rows.batches(f"Splitting {source}"):
                yield first_days(batch.column(TIME).to_numpy(zero_copy_only=False)), batch


def _without_strays(rows: Counter[str], name: str) -> list[str]:
    least = STRAY * median(rows.values())
    strays = {period: count for period, count in sorted(rows.items()) if count < least}
    if strays:
        told = ", ".join(f"{period}: {count:,}" for period, count in strays.items())
        logger.warning(f"{name}: left out {PERIOD}s of very few rows ({told})")
    return sorted(rows.keys() - strays)
