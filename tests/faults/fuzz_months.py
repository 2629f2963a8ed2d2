"""Spoil a month in many ways; each must clean or be refused with a DataError. Run in a project.

Usage: python fuzz_months.py CASES; prints how many were cleaned and how many were refused.
"""

import importlib
import json
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

PACKAGE = next(Path("src").glob("*/flows")).parent.name
contract, csv_files, locations, months, pipeline = (
    importlib.import_module(f"{PACKAGE}.kit.{name}")
    for name in (
        *("modelling.contract", "csv_files", "locations"),
        *("modelling.months", "modelling.pipeline"),
    )
)
Random = np.random.Generator


def column(table: pa.Table, rng: Random) -> str:
    return str(rng.choice(contract.SCHEMA.names))


def put(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def other_type(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    kinds = [pa.string(), pa.binary(), pa.bool_(), pa.int8(), pa.uint64(), pa.float32(), pa.null()]
    kinds += [pa.date32(), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.time64("us")]
    kinds += [pa.decimal128(38, 9), pa.duration("s"), pa.large_string(), pa.int64(), pa.float64()]
    kind = kinds[rng.integers(len(kinds))]
    try:
        return put(table, name, table[name].cast(kind, safe=False))
    except pa.ArrowException:
        return put(table, name, pa.nulls(len(table), kind))


def odd_values(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    kind = table.schema.field(name).type
    share = rng.random(len(table)) < rng.choice([0.01, 0.1, 1])
    if pa.types.is_timestamp(kind):
        odd = rng.choice([0, 1, -1, -(2**62), 2**62, 253402300800_000_000, -62135596800_000_000])
        values = np.where(share, odd, table[name].cast(pa.int64(), safe=False).to_numpy())
        return put(table, name, pa.array(values, pa.int64()).cast(kind))
    odd = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e308, -1, 0, 2**53])
    values = np.where(share, odd, table[name].to_numpy().astype(float))
    return put(table, name, pa.array(values, from_pandas=bool(rng.integers(2))))


def nested(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    lists = pa.array([[1]] * len(table))
    structs = pa.array([{"a": 1}] * len(table))
    return put(table, name, [lists, structs][rng.integers(2)])


def dictionary(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    return put(table, name, table[name].combine_chunks().dictionary_encode())


def duplicated(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    return table.append_column(name, table[name])


def dropped(table: pa.Table, rng: Random) -> pa.Table:
    return table.drop_columns([column(table, rng)])


def renamed(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    change = {name: rng.choice([name.lower(), f"{name} ", "", "\0", "é"])}
    return table.rename_columns([str(change.get(n, n)) for n in table.column_names])


def nulled(table: pa.Table, rng: Random) -> pa.Table:
    name = column(table, rng)
    mask = rng.random(len(table)) < rng.choice([0.05, 0.5, 1])
    values = table[name].combine_chunks()
    return put(
        table, name, pa.compute.if_else(pa.array(mask), pa.scalar(None, values.type), values)
    )


def few_rows(table: pa.Table, rng: Random) -> pa.Table:
    return table[: int(rng.integers(0, 4))]


SPOILS: list[Callable[[pa.Table, Random], pa.Table]] = [
    other_type, odd_values, nested, dictionary, duplicated, dropped, renamed, nulled, few_rows,
]  # fmt: skip


def spoil_bytes(path: Path, rng: Random) -> str:
    """Cut the file, or write random bytes into it."""
    content = bytearray(path.read_bytes())
    if rng.integers(2):
        path.write_bytes(content[: rng.integers(0, len(content))])
        return "truncated"
    region = len(content) if rng.integers(2) else min(4000, len(content))
    for _ in range(rng.integers(1, 50)):
        content[-int(rng.integers(1, region + 1))] = rng.integers(256)
    path.write_bytes(content)
    return "random bytes"


def write_csv(table: pa.Table, folder: Path, rng: Random) -> Path:
    """Write a month as CSV, sometimes gzipped; what CSV cannot hold goes as text."""
    path = folder / f"trips_2024-01{rng.choice(['.csv', '.csv.gz'])}"
    columns = [pa.array(map(str, c.to_pylist())) if _is_odd(c.type) else c for c in table.columns]
    with pa.output_stream(path) as out:  # gzipped if its name says so
        pc.write_csv(pa.Table.from_arrays(columns, table.column_names), out)
    return path


def _is_odd(kind: pa.DataType) -> bool:
    is_simple = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return not (is_simple or pa.types.is_timestamp(kind) or pa.types.is_string(kind))


def one_case(case: int, month: pa.Table, folder: Path) -> tuple[str, str]:
    """Return what was done to the month, and how it ended."""
    rng = np.random.default_rng(case)
    path = folder / "trips_2024-01.parquet"
    table, done = month, []
    if case % 3:
        for _ in range(rng.integers(1, 3)):
            spoil = SPOILS[rng.integers(len(SPOILS))]
            try:
                table = spoil(table, rng)
            except (pa.ArrowException, KeyError, TypeError, ValueError):
                continue  # spoilt beyond the reach of a second spoil
            done.append(spoil.__name__)
    if case % 10 == 1:
        with pq.ParquetWriter(path, table.schema):
            done.append("zero row groups")
    elif case % 10 in {5, 6}:
        path = write_csv(table, folder, rng)
        done.append("CSV")
    else:
        pq.write_table(table, path, row_group_size=int(rng.choice([7, 50, 10_000])))
    if not case % 3:
        done.append(spoil_bytes(path, rng))
    try:
        raw = csv_files.as_parquet(path, path.name, folder) if "CSV" in done else path
        cleaned = months.clean_month(raw, path.name, folder / "checkpoints")
        X, y = months.read([cleaned.path])
        assert len(X) == len(y) == cleaned.kept > 0
        assert np.isfinite(y).all()
        estimator = contract.make_estimator(contract.TrainParams(max_rounds=2))
        pipeline.make_pipeline(estimator).fit(X, y)
    except locations.DataError as error:
        assert str(error).startswith(path.name), error
        assert "\n" not in str(error), error
        return "+".join(done), "refused"
    return "+".join(done), "cleaned"


def main(cases: int) -> None:
    """Run the cases, and print the counts as JSON."""
    ends: Counter[str] = Counter()
    month = pq.read_table(sorted(Path("data").glob("*.parquet"))[0])[:300]
    for case in range(cases):
        with tempfile.TemporaryDirectory() as folder:
            try:
                ends[one_case(case, month, Path(folder))[1]] += 1
            except Exception:
                ends["failed"] += 1
                print(f"case {case}:\n{traceback.format_exc(limit=-3)}", file=sys.stderr)
    print(json.dumps(ends))


if __name__ == "__main__":
    main(int(sys.argv[1]))
