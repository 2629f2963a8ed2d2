"""Months in CSV files: converted to parquet, with the types that SCHEMA says."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from .files import file_digest, replacing, text_digest
from .locations import DataError, file_name
from .modelling.contract import INPUTS, SCHEMA
from .modelling.parquet import check_names

ENDINGS = (".csv", ".csv.gz")
# Bytes that are read at a time.
BLOCK = 8_000_000


def is_csv(location: str) -> bool:
    """Return whether a file's name says that it is CSV, gzipped or not."""
    return file_name(location).lower().endswith(ENDINGS)


def as_parquet(path: Path, source: str, folder: Path) -> Path:
    """Return a parquet file of a CSV file's rows, in `folder`; made once for the same SCHEMA.

    Raises DataError, with the line where there is one, if a value does not fit SCHEMA.
    """
    try:
        digest = text_digest(f"{file_digest(path)} {SCHEMA}")
        made = folder / f"{digest}-{file_name(source)}.parquet"
        if not made.exists():
            with (
                csv.open_csv(path, **_options(path, source)) as batches,
                replacing(made) as temporary,
                pq.ParquetWriter(temporary, batches.schema) as out,
            ):
                for batch in batches:
                    out.write_batch(batch)
    except FileNotFoundError:
        raise DataError(f"{source}: no such file; check the path or the data location") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's fault; a gzipped file that is cut has no number
        reason = str(error).split("\n")[0]
        advice = "correct the file, or SCHEMA in data.py"
        if "timestamp" in reason:
            advice += "; a time is written 2024-03-01 08:00:00"
        raise DataError(f"{source}: {reason}; {advice}") from error
    return made


def _options(path: Path, source: str) -> dict[str, Any]:
    with csv.open_csv(path) as file:  # its first block says which columns there are
        found = file.schema
    fields = [field for field in SCHEMA if field.name in found.names]
    check_names(found.names, {*INPUTS.names, *(field.name for field in fields)}, source)
    return {
        "read_options": csv.ReadOptions(block_size=BLOCK),
        "convert_options": csv.ConvertOptions(
            column_types={f.name: _read_as(f.type, found.field(f.name).type) for f in fields},
            include_columns=[field.name for field in fields],
            strings_can_be_null=True,
        ),
    }


def _read_as(kind: pa.DataType, found: pa.DataType) -> pa.DataType:
    # Whole numbers may be written as 1.0, numbers as true or false, times with a zone: the months'
    # reader casts.
    is_other = pa.types.is_floating(found) or pa.types.is_boolean(found)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_zoned = pa.types.is_timestamp(found) and bool(found.tz)
    as_found = is_zoned if pa.types.is_timestamp(kind) else is_number and is_other
    return found if as_found else kind
