"""Rows in a request: what is taken for what."""

import json
from typing import Any

import pytest

from .. import module

data = module("data")
rows = module("kit.serving.rows")

ROW = rows.example()
SPLIT = {"columns": [*ROW], "data": [[*ROW.values()]]}


def read(**form: Any) -> Any:
    return rows.make_table(rows.read_invocation(json.dumps(form).encode()))


@pytest.mark.parametrize("zone", ["", "Z", "+02:00", "-11:00"])
def test_a_time_counts_as_a_clock_on_its_wall_shows_it(zone: str) -> None:
    [time] = read(instances=[ROW | {data.TIME: f"2024-03-01T08:00:00{zone}"}])[data.TIME]
    assert str(time) == "2024-03-01 08:00:00"


@pytest.mark.parametrize("time", [1709280000, 1709280000000, "1709280000000", None, 1.5, True])
def test_a_time_is_no_number(time: Any) -> None:
    with pytest.raises(rows.BadRowsError, match=data.TIME):
        read(instances=[ROW | {data.TIME: time}])


@pytest.mark.parametrize("zone", [0, 266, 1.5, "1", None, 2**63, 10**400])
def test_a_zone_is_a_whole_number_in_its_range(zone: Any) -> None:
    with pytest.raises(rows.BadRowsError, match="PULocationID"):
        read(instances=[ROW | {"PULocationID": zone}])
    for known in (1, 265):
        assert [*read(instances=[ROW | {"PULocationID": known}])["PULocationID"]] == [known]


def test_each_form_gives_the_same_rows() -> None:
    found = rows.read_predict(json.dumps({"rows": [ROW]}).encode())
    [wanted] = rows.make_table(found).to_dict("records")
    for form in (
        {"dataframe_records": [ROW | {"more": 1}]},
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"dataframe_split": SPLIT},
        {"dataframe_split": SPLIT | {"index": [7]}},  # as pandas gives it
    ):
        assert read(**form).to_dict("records") == [wanted]


def test_a_table_that_is_none_is_refused() -> None:
    for table, message in (
        ({"columns": [*ROW, "VendorID"], "data": [[*ROW.values(), 9]]}, "a column twice"),
        ({"columns": [*ROW], "data": [[1]]}, "ragged"),
    ):
        with pytest.raises(rows.BadRowsError, match=message):
            read(dataframe_split=table)
