"""Every fault of a month gets one clear error, and leaves no checkpoint."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from .. import module
from .make_months import make_month

contract = module("kit.modelling.contract")
data = module("data")
kit_months = module("kit.modelling.months")
kit_rows = module("kit.modelling.rows")
locations = module("kit.locations")
parquet = module("kit.modelling.parquet")

MONTH = make_month("2024-01", 500)


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def renamed(table: pa.Table) -> pa.Table:
    return table.rename_columns(["PU" if n == "PULocationID" else n for n in table.column_names])


def duplicated(table: pa.Table) -> pa.Table:
    return table.append_column("DOLocationID", table["DOLocationID"])


def of_zero_length(table: pa.Table) -> pa.Table:
    return with_column(table, data.DROPOFF, table[data.PICKUP])


def mostly_null(table: pa.Table) -> pa.Table:
    empty = pa.nulls(len(table) - 300, table["PULocationID"].type)
    zones = table["PULocationID"].combine_chunks()[:300]
    return with_column(table, "PULocationID", pa.concat_arrays([zones, empty]))


def as_text(table: pa.Table) -> pa.Table:
    return with_column(table, "trip_distance", pc.cast(table["trip_distance"], pa.string()))


def of_half_zones(table: pa.Table) -> pa.Table:
    zones = pc.add(pc.cast(table["PULocationID"], pa.float64()), 0.5)
    return with_column(table, "PULocationID", zones)


def of_half_zones_as_decimals(table: pa.Table) -> pa.Table:
    zones = pa.array([Decimal("1.5")] * len(table), pa.decimal128(12, 1))
    return with_column(table, "PULocationID", zones)


def as_dictionary_of_texts(table: pa.Table) -> pa.Table:
    texts = as_text(table)["trip_distance"]
    return with_column(table, "trip_distance", texts.dictionary_encode())


def of_no_pickup(table: pa.Table) -> pa.Table:
    return with_column(table, data.PICKUP, pa.nulls(len(table), table[data.PICKUP].type))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (renamed, "column 'PULocationID' is missing; rename"),
        (duplicated, "column 'DOLocationID' is there 2 times"),
        (as_text, "column 'trip_distance' is string, not double"),
        (as_dictionary_of_texts, "column 'trip_distance' is dictionary.*, not double"),
        (of_half_zones, "column 'PULocationID' does not fit int64"),
        (of_half_zones_as_decimals, "column 'PULocationID' does not fit int64"),
        (of_zero_length, "no rows left of 500"),
        (mostly_null, r"42% of 500 rows are bad \(.*PULocationID is missing: 200"),
        (of_no_pickup, f"column '{data.PICKUP}' is empty"),
        (lambda table: table[:0], "has no rows"),
    ],
)
def test_a_bad_month_is_refused(
    tmp_path: Path, spoil: Callable[[pa.Table], pa.Table], message: str
) -> None:
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(spoil(MONTH), raw)
    with pytest.raises(locations.DataError, match=message) as caught:
        kit_months.clean_month(raw, raw.name, tmp_path / "checkpoints")
    assert str(caught.value).startswith(raw.name)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("checkpoints/*"))


def test_a_truncated_month_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(MONTH, raw)
    raw.write_bytes(raw.read_bytes()[:-100])
    with pytest.raises(locations.DataError, match="not a whole parquet file"):
        kit_months.clean_month(raw, raw.name, tmp_path)


def test_a_missing_month_is_named(tmp_path: Path) -> None:
    with pytest.raises(locations.DataError, match=r"^trips\.parquet: no such file"):
        kit_months.clean_month(tmp_path / "trips.parquet", "trips.parquet", tmp_path)


def test_other_types_of_the_same_columns_are_read(tmp_path: Path) -> None:
    types = {
        "PULocationID": pa.int32(),
        "trip_type": pa.int64(),
        "VendorID": pa.int32(),
        "trip_distance": pa.decimal128(12, 2),
    }
    fields = [pa.field(f.name, types.get(f.name, f.type)) for f in MONTH.schema]
    found = []
    for name, table in {"usual": MONTH, "other": MONTH.cast(pa.schema(fields))}.items():
        raw = tmp_path / f"{name}.parquet"
        pq.write_table(table, raw)
        month = kit_months.clean_month(raw, raw.name, tmp_path)
        assert month.period == "2024-01"
        assert month.rows == 500
        kept = 500 - sum(month.dropped.values())
        assert month.kept == kept == pq.read_metadata(month.path).num_rows
        found.append(kit_months.read([month.path]))
    # A decimal becomes the nearest number, or the one next to it.
    pd.testing.assert_frame_equal(found[0][0], found[1][0], rtol=1e-15)
    assert found[0][1].equals(found[1][1])


def test_dictionaries_are_read_as_their_values(tmp_path: Path) -> None:
    encoded = MONTH["store_and_fwd_flag"].dictionary_encode()
    schema = pa.schema({data.PICKUP: pa.timestamp("us"), "store_and_fwd_flag": pa.string()})
    found = []
    for name, flags in {"plain": MONTH["store_and_fwd_flag"], "encoded": encoded}.items():
        raw = tmp_path / f"{name}.parquet"
        pq.write_table(with_column(MONTH, "store_and_fwd_flag", flags), raw)
        with parquet.RawMonth(raw, raw.name, schema) as month:
            found.append(pa.Table.from_batches(month.batches(rows=200)))
    assert pa.types.is_dictionary(pq.read_schema(raw).field("store_and_fwd_flag").type)
    assert found[0].equals(found[1])
    assert found[0]["store_and_fwd_flag"].null_count > 0


def test_times_count_as_a_clock_of_their_zone_shows_them(tmp_path: Path) -> None:
    zoned = MONTH
    for name in (data.PICKUP, data.DROPOFF):
        zoned = with_column(zoned, name, pc.assume_timezone(MONTH[name], "America/New_York"))
    found = []
    for folder, table in {"naive": MONTH, "zoned": zoned}.items():
        raw = tmp_path / f"{folder}.parquet"
        pq.write_table(table, raw)
        found.append(kit_months.read([kit_months.clean_month(raw, raw.name, tmp_path).path])[0])
    assert found[0].equals(found[1])


def test_a_checkpoint_is_named_after_the_code_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(MONTH, raw)
    today = kit_months.clean_month(raw, raw.name, tmp_path / "checkpoints")
    monkeypatch.setattr(kit_months, "CODE", "of yesterday")
    edited = kit_months.clean_month(raw, raw.name, tmp_path / "checkpoints")
    assert today.digest == edited.digest
    assert today.path != edited.path
    assert today.path.exists()


def test_rows_are_dropped_by_reason() -> None:
    trips = MONTH.to_pandas()[:7]
    seconds = [30, 59, 60, 3600, 3601, 120, 120]
    trips[data.DROPOFF] = trips[data.PICKUP] + pa.array(seconds, "duration[s]").to_pandas()
    trips.loc[5, "DOLocationID"] = None
    trips.loc[6, "PULocationID"] = 266
    kept, dropped = kit_rows.clean_rows(trips, "2024-01")
    assert kept[data.TARGET].tolist() == [1, 60]
    assert {reason: count for reason, count in dropped.items() if count} == {
        "DOLocationID is missing": 1,
        "PULocationID not from 1 to 265": 1,
        "shorter than 1 minute": 2,
        "longer than 60 minutes": 1,
    }
    rest, dropped = kit_rows.clean_rows(trips, "2024-02")
    assert not len(rest)
    assert dropped["outside the month"] == 5


def test_a_column_may_be_missing_where_its_range_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.RANGES, "trip_distance", (0, 10))
    trips = MONTH.to_pandas()[:4].assign(trip_distance=[0, 10, None, 10.5])
    faults = kit_rows.input_faults(trips)
    assert faults["trip_distance not from 0 to 10"].tolist() == [False, False, False, True]


def test_rows_are_read_in_order_of_time(months: list[str], tmp_path: Path) -> None:
    newest, oldest = (kit_months.clean_month(Path(p), p, tmp_path) for p in reversed(months[:2]))
    X, y = kit_months.read([newest.path, oldest.path])
    assert len(X) == len(y) == newest.kept + oldest.kept
    assert X[data.TIME].is_monotonic_increasing
    minutes = kit_months.read([oldest.path])[1]
    assert y[: oldest.kept].tolist() == minutes.tolist()


def test_a_month_that_has_not_begun_is_refused(tmp_path: Path) -> None:
    now = pd.Timestamp.now("UTC").tz_localize(None)
    for months, period in ((-1, None), (2, f"{now + pd.DateOffset(months=2):%Y-%m}")):
        moved = pa.array([now + pd.DateOffset(months=months)] * len(MONTH), pa.timestamp("us"))
        path = tmp_path / f"trips_{months}.parquet"
        pq.write_table(with_column(MONTH, data.PICKUP, moved), path)
        with parquet.RawMonth(path, str(path), data.SCHEMA) as month:
            if not period:
                assert month.period(data.PICKUP) < f"{now:%Y-%m}"
                continue
            with pytest.raises(locations.DataError, match=f"is of {period}, which has not begun"):
                month.period(data.PICKUP)


def test_months_that_overlap_are_refused(months: list[str], tmp_path: Path) -> None:
    first, *_, last = [kit_months.clean_month(Path(path), path, tmp_path) for path in months]
    kit_months.check_months([first], last)
    with pytest.raises(locations.DataError, match="holds 2024-01, as"):
        kit_months.check_months([first, last], first)
    with pytest.raises(locations.DataError, match=r"holds 2024-01, but .* holds 2024-03; test on"):
        kit_months.check_months([last], first)
