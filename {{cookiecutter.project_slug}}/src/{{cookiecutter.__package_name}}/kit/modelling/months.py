"""Months, checked and cleaned: from raw files to checkpoints, and the rows of those."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..files import CODE, file_digest, refuse_edited_code, replacing, text_digest
from ..locations import DataError, file_name
from ..records import Month
from .contract import INPUTS, LABELS, MAX_DROPPED_SHARE, PERIOD, SCHEMA, TARGET, TIME
from .parquet import RawMonth
from .rows import clean_rows, drop, input_faults


def clean_month(raw: Path, source: str, folder: Path) -> Month:
    """Check and clean one raw month, batch by batch, to a checkpoint in `folder`.

    Raises DataError where the file cannot be used; then no checkpoint is left.
    """
    refuse_edited_code()
    with RawMonth(raw, source, SCHEMA) as month:
        digest = file_digest(raw)
        path = folder / f"{Path(file_name(source)).stem}-{text_digest(digest + CODE)}.parquet"
        period = month.period(TIME)
        dropped: Counter[str] = Counter()
        kept = 0
        with replacing(path) as temporary, pq.ParquetWriter(temporary, _schema()) as out:
            for batch in month.batches(f"Cleaning {period}"):
                rows, reasons = clean_rows(batch.to_pandas(), period)
                out.write_table(pa.Table.from_pandas(rows, out.schema, preserve_index=False))
                dropped.update(reasons)
                kept += len(rows)
            _check_share(source, month.rows, kept, dropped)
    return Month(
        source=source,
        path=path,
        digest=digest,
        period=period,
        rows=month.rows,
        kept=kept,
        dropped=dict(dropped),
    )


def read(paths: Sequence[Path]) -> tuple[pd.DataFrame, pd.Series]:
    """Return raw inputs X and target y of cleaned months, in order of time, or shuffled if none."""
    columns = [*INPUTS.names, TARGET]
    table = pa.concat_tables(pq.read_table(path, columns=columns) for path in paths)
    rows = table.to_pandas(self_destruct=True)
    rows = rows.sort_values(TIME, kind="stable") if TIME else rows.sample(frac=1, random_state=0)
    rows = rows.reset_index(drop=True)
    return rows[INPUTS.names], rows[TARGET]


def usable_rows(
    month: RawMonth, period: str, rows_at_once: int
) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
    """Yield the rows that training would take, with their target; without labels, all usable."""
    for batch in month.batches(rows=rows_at_once):
        rows = batch.to_pandas()
        known = rows.reindex(columns=[*LABELS]).notna().all(axis=1)
        if known.any():
            kept, _ = clean_rows(rows[known], period)
            yield kept[INPUTS.names], kept[TARGET]
        if not known.all():
            rest = rows.loc[~known, INPUTS.names]
            yield drop(rest, input_faults(rest, period))[0], None


def check_months(train: Sequence[Month], test: Month) -> None:
    """Raise DataError if two of the months hold the same period, or the test is not the newest."""
    sources: dict[str, str] = {}
    for month in (*train, test):
        if month.period in sources:
            raise DataError(
                f"{month.source}: holds {month.period}, as {sources[month.period]} does; "
                f"give each {PERIOD} once, and test on one that is not trained on"
            )
        sources[month.period] = month.source
    newest = max(train, key=lambda month: month.period)
    if newest.period > test.period:
        raise DataError(
            f"{test.source}: holds {test.period}, but {newest.source} holds {newest.period}; "
            f"test on a {PERIOD} after all that are trained on"
        )


def _check_share(source: str, rows: int, kept: int, dropped: Counter[str]) -> None:
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items() if count)
    if kept == 0:
        raise DataError(f"{source}: no rows left of {rows:,} ({reasons}); check the file's columns")
    if rows - kept > MAX_DROPPED_SHARE * rows:
        raise DataError(
            f"{source}: {1 - kept / rows:.0%} of {rows:,} rows are bad ({reasons}); "
            "check the file, or change MAX_DROPPED_SHARE in data.py"
        )


def _schema() -> pa.Schema:
    columns = [field for field in SCHEMA if field.name != TARGET]
    return pa.schema([*columns, pa.field(TARGET, pa.float64())])
