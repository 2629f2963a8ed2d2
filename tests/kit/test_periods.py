"""Periods in names and in rows; and one table, however its files are cut, is the same months."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .. import PACKAGE, module
from .make_months import make_month

kit_months = module("kit.modelling.months")
locations = module("kit.locations")
periods = module("kit.modelling.periods")
sources = module("kit.sources")
TIME = module("data").TIME

ROWS = 600
MONTHS = ("2024-01", "2024-02", "2024-03")


@pytest.mark.parametrize(
    ("name", "month", "week", "day"),
    [
        ("trips_2024-01", "2024-01", None, None),
        ("trips_2024_01", "2024-01", None, None),
        ("202401", "2024-01", None, None),
        ("trips-202401-v2", "2024-01", None, None),
        ("trips_20240131", "2024-01", "2024-W05", "2024-01-31"),
        ("trips_2024-01-31", "2024-01", "2024-W05", "2024-01-31"),
        ("trips_2024-W05", None, "2024-W05", None),
        ("trips_2024W05", None, "2024-W05", None),
        ("trips_2024-12-30", "2024-12", "2025-W01", "2024-12-30"),
        ("trips_2024-06-31", "2024-06", None, None),
        ("trips_2023-12_to_2024-01", "2024-01", None, None),
        ("trips_1999-12", "1999-12", None, None),
        ("trips_202413", None, None, None),
        ("trips_2024-00", None, None, None),
        ("trips_2024-W54", None, None, None),
        ("trips_2024", None, None, None),
        ("trips_20240145", None, None, None),
        ("trips_1202401", None, None, None),
        ("trips_1824-01", None, None, None),
    ],
)
def test_a_period_is_found_in_a_name(
    name: str, month: str | None, week: str | None, day: str | None
) -> None:
    for location in (f"data/{name}.parquet", f"postgresql://host/trips?table={name}"):
        assert periods.find_in_name(location, "month") == month
        assert periods.find_in_name(location, "week") == week
        assert periods.find_in_name(location, "day") == day
        if month is None:
            with pytest.raises(locations.DataError, match="no month in its name"):
                periods.in_name(location)


@pytest.mark.parametrize(("kind", "code"), [("month", "%Y-%m"), ("week", "%G-W%V"), ("day", "%F")])
def test_periods_are_those_of_the_calendar(kind: str, code: str) -> None:
    days = pd.date_range("1969-12-25", "2030-01-10", freq="29h")
    found = [periods.name_of(day, kind) for day in periods.first_days(days.to_numpy(), kind)]
    assert found == [*days.strftime(code)]
    assert sorted(found) == found
    back = [periods.first_day_of(name) for name in found]
    assert (np.array(back) == periods.first_days(days.to_numpy(), kind)).all()


def test_a_period_is_a_step_of_metrics() -> None:
    step_of = module("kit.tracking").step_of
    assert [step_of(p) for p in ("2024-01", "2024-W05", "2024-01-31")] == [202401, 202405, 20240131]


def test_a_period_that_has_not_begun_is_refused() -> None:
    for period in ("2999-01", "2999-W01", "2999-01-01"):
        with pytest.raises(locations.DataError, match=f"is of {period}, which has not begun"):
            periods.check_past(period, "trips")
    for period in ("2024-01", "2024-W05", "2024-01-31"):
        periods.check_past(period, "trips")


def table() -> pa.Table:
    return pa.concat_tables(make_month(month, ROWS) for month in MONTHS)


def hive(folder: Path, rows: pa.Table) -> None:
    """Write year=2024/month=1/part-0.parquet and so on, two parts a month."""
    frame = rows.to_pandas()
    for month, part in frame.groupby(frame[TIME].dt.month):
        for i, half in enumerate((part[::2], part[1::2])):
            path = folder / f"year=2024/month={month}/part-{i}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            half.to_parquet(path, index=False)
        (path.parent / "_SUCCESS").touch()


def cleaned(location: Path, folder: Path) -> list[Any]:
    found = sources.list_months(str(location), folder / "raw")
    months = [kit_months.clean_month(sources.fetch(m, folder / "raw"), m, folder) for m in found]
    assert [month.period for month in months] == [*MONTHS]
    return months


@pytest.mark.parametrize(
    "form", ["parquet", "csv", "csv.gz", "one-csv", "shuffled", "hive", "daily"]
)
def test_one_table_is_the_same_however_its_files_are_cut(form: str, tmp_path: Path) -> None:
    data, one = tmp_path / "data", tmp_path / "one.parquet"
    data.mkdir()
    pq.write_table(table(), one)
    expected = cleaned(one, tmp_path / "expected")
    frame, location = table().to_pandas(), data
    if form == "hive":
        hive(data, table())
    elif form == "one-csv":
        location = data / "sales.csv"
        frame.to_csv(location, index=False)
    elif form == "shuffled":
        location = data / "sales.parquet"
        frame.sample(frac=1, random_state=0).to_parquet(location, index=False)
    elif form == "daily":  # no period in a name: the rows say it
        for number, (_, rows) in enumerate(frame.groupby(frame[TIME].dt.date)):
            rows.to_parquet(data / f"trips-{number}.parquet", index=False)
    else:
        for month in MONTHS:
            rows = make_month(month, ROWS).to_pandas()
            path = data / f"sales_{month}.{form}"
            rows.to_parquet(path, index=False) if form == "parquet" else rows.to_csv(
                path, index=False
            )
    for month, same in zip(cleaned(location, tmp_path / "out"), expected, strict=True):
        assert (month.kept, month.rows) == (same.kept, same.rows)
        columns = [TIME, "PULocationID", "DOLocationID", "trip_distance"]
        rows, others = (
            kit_months.read([m.path])[0].sort_values(columns).reset_index(drop=True)
            for m in (month, same)
        )
        pd.testing.assert_frame_equal(rows, others, rtol=1e-12)


def test_strays_of_other_periods_are_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger(PACKAGE).addHandler(caplog.handler)
    rows = table().to_pandas()
    rows.loc[:2, TIME] = pd.Timestamp("2008-12-31")
    rows.to_parquet(tmp_path / "trips.parquet", index=False)
    found = sources.list_months(str(tmp_path), tmp_path / "raw")
    assert [periods.in_name(month) for month in found] == [*MONTHS]
    assert "trips: left out months of very few rows (2008-12: 3)" in caplog.text


def test_one_file_is_split_once_for_the_same_content(tmp_path: Path) -> None:
    location = tmp_path / "trips.parquet"
    pq.write_table(table(), location)
    first = sources.list_months(str(location), tmp_path / "raw")
    times = [Path(month).stat().st_mtime_ns for month in first]
    assert sources.list_months(str(location), tmp_path / "raw") == first
    assert [Path(month).stat().st_mtime_ns for month in first] == times
    pq.write_table(table()[:-1], location)
    assert sources.list_months(str(location), tmp_path / "raw") != first
    # What is given is split as well: several months to train on, the newest to test on.
    train, test = sources.choose_months([str(location)], str(location), None, "", tmp_path / "raw")
    assert [periods.in_name(month) for month in train] == [*MONTHS]
    assert periods.in_name(test) == MONTHS[-1]


def test_what_cannot_be_split_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": [1]}), tmp_path / "sales.parquet")
    with pytest.raises(locations.DataError, match=rf"sales\.parquet: column '{TIME}' is missing"):
        sources.list_months(str(tmp_path), tmp_path / "raw")
    assert not [*(tmp_path / "raw").glob("*")]
