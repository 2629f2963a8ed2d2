"""Predict a month batch by batch, so that its size does not matter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .locations import DataError, file_name
from .modelling.contract import INPUTS, PERIOD, PROBLEM, TIME
from .modelling.parquet import RawMonth
from .modelling.rows import first_faults, input_faults
from .records import Scores
from .saved_model import Model
from .stores import open_store, reaching, writing

# Rows in memory at a time.
ROWS = 100_000


def check_names(sources: Sequence[str]) -> None:
    """Raise DataError if the predictions of two months would be one file."""
    # Next to a.parquet lies a.rejected.parquet.
    stems = (Path(file_name(source)).stem.removesuffix(".rejected") for source in sources)
    names = Counter(f"{stem}.parquet" for stem in stems)
    if names.total() > len(names):
        [(name, count)] = names.most_common(1)
        raise DataError(f"{name}: {count} of the {PERIOD}s are called so; score them one at a time")


def score_month(
    raw: Path, source: str, model: Model, folder: Path | str, about: Mapping[str, str]
) -> Scores:
    """Predict a raw month to a parquet file in `folder` that has `about` in its metadata.

    Rows that cannot be predicted go to a second file, with the reason; `row` counts the rows of
    the raw month from 0. Raises DataError where the month cannot be used; then no file is left.
    """
    path = _path(source, folder)
    row, rejected = 0, Counter[str]()
    with (
        RawMonth(raw, source, INPUTS) as month,
        writing(f"{path.removesuffix('.parquet')}.rejected.parquet") as aside,
        writing(path) as temporary,
        pq.ParquetWriter(aside, _schema({"reason": pa.string()}, about)) as rest,
        pq.ParquetWriter(temporary, _schema(_prediction_types(), about)) as scores,
    ):
        period = month.period(TIME)
        for batch in month.batches(f"Scoring {period}", ROWS):
            numbered = batch.add_column(0, "row", pa.array(np.arange(row, row + len(batch))))
            reason = _first_fault(batch, period)
            good, bad = (numbered.filter(pa.array(mask)) for mask in (reason == "", reason != ""))
            if len(good):
                predicted = model.predict(good.select(INPUTS.names).to_pandas())
                _append(scores, good, PROBLEM.columns(predicted))
            _append(rest, bad, {"reason": reason[reason != ""]})
            rejected.update(reason[reason != ""].tolist())
            row += len(batch)
    scored = row - rejected.total()
    lies = path if "://" in path else Path(path)
    return Scores(source=source, path=lies, rows=row, scored=scored, rejected=dict(rejected))


def scored_by(source: str, folder: str) -> str | None:
    """Return which version predicted a month to `folder`; None if none did."""
    location = _path(source, folder)
    with reaching(location):
        store, path = open_store(location)
        if not store.exists(path):
            return None
        with store.open(path) as file:
            about = pq.read_schema(file).metadata
    return f"scored by version {about[b'model_version'].decode()}"


def _path(source: str, folder: Path | str) -> str:
    return f"{str(folder).rstrip('/')}/{Path(file_name(source)).stem}.parquet"


def _prediction_types() -> dict[str, pa.DataType]:
    shape = (0, len(PROBLEM.classes)) if PROBLEM.classes else 0
    columns = PROBLEM.columns(np.zeros(shape)).items()
    return {name: pa.array(values).type for name, values in columns}


def _first_fault(batch: pa.RecordBatch, period: str) -> Any:
    """Return the reason not to predict a row, or "", of shape (n,)."""
    faults = input_faults(batch.to_pandas(), period)
    return np.array([*faults, ""])[first_faults(faults, len(batch))]


def _append(writer: pq.ParquetWriter, batch: pa.RecordBatch, more: Mapping[str, Any]) -> None:
    for name, values in more.items():
        batch = batch.append_column(name, pa.array(values))
    writer.write_batch(batch)


def _schema(more: Mapping[str, pa.DataType], about: Mapping[str, str]) -> pa.Schema:
    fields = [pa.field("row", pa.int64()), *INPUTS, *(pa.field(n, t) for n, t in more.items())]
    return pa.schema(fields, metadata=dict(about))
