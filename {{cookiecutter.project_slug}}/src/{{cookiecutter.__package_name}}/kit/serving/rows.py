"""Rows in a request: checked against SCHEMA before a model sees them."""

from datetime import datetime
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model

from ..modelling.contract import INPUTS, REQUIRED
from ..modelling.rows import input_faults

SHOWN = 3


class BadRowsError(ValueError):
    """A body that cannot be used. The message says what is wrong."""


def _no_text(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("a text, where a number is wanted")
    return value


def _iso_time(value: Any) -> Any:
    # 1709280000000 may be milliseconds or nanoseconds: a guess would be wrong without a word.
    if not isinstance(value, str) or "-" not in value:
        raise ValueError('not a time such as "2024-03-01T08:00:00"')
    # What has a zone counts as a clock on its wall shows it, as in the months.
    return datetime.fromisoformat(value).replace(tzinfo=None)


def _type(field: pa.Field) -> Any:
    kind: Any = Annotated[str, Field(strict=True)]
    if pa.types.is_timestamp(field.type):
        kind = Annotated[datetime, BeforeValidator(_iso_time)]
    elif pa.types.is_integer(field.type):
        kind = Annotated[int, Field(ge=-(2**63), lt=2**63), BeforeValidator(_no_text)]
    elif pa.types.is_floating(field.type):
        kind = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_text)]
    return kind if field.name in REQUIRED else kind | None


# A row of raw columns; others may be there, and are left out.
_FIELDS: dict[str, Any] = {field.name: (_type(field), ...) for field in INPUTS}
Row: Any = create_model("Row", **_FIELDS)
Rows: Any = Annotated[list[Row], Field(min_length=1)]


class Predict(BaseModel, extra="forbid"):
    """Rows of raw columns."""

    rows: Rows


class Split(BaseModel, extra="forbid"):
    """A table as pandas splits it."""

    columns: list[str]
    data: list[list[Any]]
    index: list[Any] = []  # of no use here, but pandas adds it


class Invocation(BaseModel, extra="forbid"):
    """Rows in one of the forms that MLflow's clients send."""

    dataframe_records: Rows = None
    instances: Rows = None
    inputs: Rows | dict[str, list[Any]] = None
    dataframe_split: Split = None  # type: ignore[assignment]


def read_predict(body: bytes) -> list[Any]:
    """Read a body of /predict: {"rows": [{column: value}]}. Raises BadRowsError."""
    return list(_parsed(Predict.model_validate_json, body).rows)


def read_invocation(body: bytes) -> list[Any]:
    """Read a body as MLflow's clients send it. Raises BadRowsError."""
    found = _parsed(Invocation.model_validate_json, body)
    given = sorted(found.model_fields_set)
    if len(given) != 1:
        forms = ", ".join(Invocation.model_fields)
        raise BadRowsError(f"Send one of {forms}, not {', '.join(given) or 'nothing'}")
    table = getattr(found, given[0])
    if isinstance(table, dict):
        return _rows([*table], table.values(), by_column=True)
    if isinstance(table, Split):
        return _rows(table.columns, table.data)
    return list(table)


def _rows(names: list[str], values: Any, by_column: bool = False) -> list[Any]:
    if len({*names}) < len(names):
        raise BadRowsError("The table has a column twice")
    try:
        rows = zip(*values, strict=True) if by_column else values
        found = [dict(zip(names, row, strict=True)) for row in rows]
    except ValueError:
        message = "The table is ragged: each row needs a value for each column"
        raise BadRowsError(message) from None
    return list(_parsed(Predict.model_validate, {"rows": found}).rows)


def example() -> dict[str, Any]:
    """Return a row to try, made of the types alone."""
    samples = {"timestamp[us]": "2024-03-01T08:00:00", "int64": 1, "double": 1.0}
    return {field.name: samples.get(str(field.type), "text") for field in INPUTS}


def _parsed(parse: Any, body: Any) -> Any:
    try:
        return parse(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:SHOWN]]
        more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
        raise BadRowsError("; ".join(lines) + more) from None
    except RecursionError:
        raise BadRowsError("The body is nested too deeply") from None


def make_table(rows: list[Any]) -> pd.DataFrame:
    """Make a table of rows that were read. Raises BadRowsError if some cannot be predicted."""
    columns = {name: [vars(row)[name] for row in rows] for name in INPUTS.names}
    table = pa.Table.from_pydict(columns, INPUTS).to_pandas(use_threads=False)
    faults = {reason: int(bad.sum()) for reason, bad in input_faults(table).items() if bad.any()}
    if faults:
        found = ", ".join(f"{reason}: {count}" for reason, count in faults.items())
        raise BadRowsError(f"Rows that cannot be predicted: {found}")
    return table
