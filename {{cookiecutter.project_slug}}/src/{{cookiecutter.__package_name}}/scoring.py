"""Predict a month batch by batch, so that its size does not matter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from . import data
from .checkpoints import replacing
from .isolation import Model
from .parquet import DataError, batches, file_name, open_month, period_of

ROWS = 100_000
"""Rows in memory at a time."""


class Scores(BaseModel):
    """A scored month: where its predictions lie, and why rows have none."""

    source: str
    path: Path
    rows: int
    scored: int
    rejected: dict[str, int]


def check_names(sources: Sequence[str]) -> None:
    """Raise DataError if the predictions of two months would be one file."""
    # Beside trips.parquet lies trips.rejected.parquet.
    stems = (Path(file_name(source)).stem.removesuffix(".rejected") for source in sources)
    names = Counter(f"{stem}.parquet" for stem in stems)
    if names.total() > len(names):
        [(name, count)] = names.most_common(1)
        raise DataError(f"{name}: {count} of the months are called so; score them one at a time")


def score_month(
    raw: Path, source: str, model: Model, folder: Path, about: Mapping[str, str]
) -> Scores:
    """Predict a raw month to a parquet file in `folder` that has `about` in its metadata.

    Rows that cannot be predicted go to a second file, with the reason; `row` counts the rows of
    the raw month from 0. Raises DataError where the month cannot be used; then no file is left.
    """
    path = folder / f"{Path(file_name(source)).stem}.parquet"
    row, rejected = 0, Counter[str]()
    with (
        open_month(raw, source, data.INPUTS) as file,
        replacing(path.with_suffix(".rejected.parquet")) as aside,
        replacing(path) as temporary,
        pq.ParquetWriter(aside, _schema("reason", pa.string(), about)) as rest,
        pq.ParquetWriter(temporary, _schema("prediction", pa.float64(), about)) as scores,
    ):
        period = period_of(file, data.TIME, source)
        for batch in batches(file, data.INPUTS, ROWS, f"Scoring {period}"):
            numbered = batch.add_column(0, "row", pa.array(np.arange(row, row + len(batch))))
            reason = _first_fault(batch, period)
            good, bad = (numbered.filter(pa.array(mask)) for mask in (reason == "", reason != ""))
            if len(good):
                X = good.select(data.INPUTS.names).to_pandas()
                _append(scores, good, np.asarray(model.predict(X), dtype=float))
            _append(rest, bad, reason[reason != ""])
            rejected.update(reason[reason != ""].tolist())
            row += len(batch)
    scored = row - rejected.total()
    return Scores(source=source, path=path, rows=row, scored=scored, rejected=dict(rejected))


def _first_fault(batch: pa.RecordBatch, period: str) -> np.ndarray:
    """The reason not to predict a row, or "", of shape (n,)."""
    faults = data.input_faults(batch.to_pandas(), period)
    return np.select([*faults.values()], [*faults], "")


def _append(writer: pq.ParquetWriter, batch: pa.RecordBatch, last: np.ndarray) -> None:
    columns = [*batch.columns, pa.array(last, writer.schema.types[-1])]
    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=writer.schema))


def _schema(last: str, kind: pa.DataType, about: Mapping[str, str]) -> pa.Schema:
    fields = [pa.field("row", pa.int64()), *data.INPUTS, pa.field(last, kind)]
    return pa.schema(fields, metadata=dict(about))
