"""What data.py, features.py and model.py have to hold, and what is said where they do not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from .. import PACKAGE, ROOT, module
from .make_months import make_month

contract = module("kit.modelling.contract")
data, features, model = module("data"), module("features"), module("model")
kit_months = module("kit.modelling.months")
kit_rows = module("kit.modelling.rows")
locations = module("kit.locations")
problems = module("kit.modelling.problems")
Classification = module("kit.modelling.classification").Classification


def check() -> None:
    contract._check_names()
    contract._check_columns()


def test_the_example_has_all_that_is_asked_for() -> None:
    check()
    for asked, names in contract.NAMES.items():
        assert asked in {data, features, model}
        assert all(what for _, what in names.values())


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, names in contract.NAMES.items():
        file = Path(asked.__file__).name
        for name in names:
            with monkeypatch.context() as patch:
                patch.delattr(asked, name)
                with pytest.raises(contract.ContractError, match=rf"^{file}: {name} is missing; "):
                    check()


@pytest.mark.parametrize(
    ("where", "name", "value", "message"),
    [
        (data, "TARGET", None, "data.py: TARGET is of another type; make it the name of the col"),
        (data, "SCHEMA", {}, "data.py: SCHEMA is of another type; make it the raw columns"),
        (data, "LABELS", "dropoff", "data.py: LABELS is of another type"),
        (data, "RANGES", None, "data.py: RANGES is of another type; make it the known values"),
        (data, "MAX_DROPPED_SHARE", "20%", "data.py: MAX_DROPPED_SHARE is of another type"),
        (data, "clean", "no function", "data.py: clean is of another type; make it a function"),
        (features, "GROUPS", {"zone": 3}, "features.py: GROUPS is of another type"),
        (features, "PER", 1, "features.py: PER is of another type"),
        (model, "PROBLEM", "regression", "model.py: PROBLEM is of another type; make it a Regr"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_what_is_of_another_type_is_named(
    where: Any, name: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, value)
    with pytest.raises(contract.ContractError, match=re.escape(message)):
        check()


@pytest.mark.parametrize("value", ["xgboost.core.Booster", None])
def test_the_optional_list_of_types_is_one(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "TRUSTED_TYPES", ["glob.escape"], raising=False)
    check()
    monkeypatch.setattr(model, "TRUSTED_TYPES", value)
    with pytest.raises(
        contract.ContractError, match=r"^model\.py: TRUSTED_TYPES is of another type"
    ):
        check()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TIME", "started", r"data\.py: 'started' is not in SCHEMA; add it there"),
        ("TIME", "trip_distance", r"TIME \('trip_distance'\) is not timestamp"),
        ("TIME", data.DROPOFF, r"TIME \('lpep_dropoff_datetime'\) is in LABELS"),
        ("REQUIRED", ("PULocationID",), r"TIME \('lpep_pickup_datetime'\) is not in REQUIRED"),
        ("TARGET", "trip_distance", r"TARGET \('trip_distance'\) is an input in SCHEMA; add it to"),
        ("LABELS", (data.DROPOFF, "fare"), r"'fare' is not in SCHEMA"),
        ("RANGES", {"fare": (0, 1)}, r"'fare' is not in SCHEMA"),
    ],
)
def test_a_column_has_one_role(
    name: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, name, value)
    with pytest.raises(contract.ContractError, match=message) as refused:
        check()
    assert str(refused.value).startswith("data.py: ")
    assert "\n" not in str(refused.value)


def test_columns_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = pa.schema([*data.SCHEMA, pa.field("VendorID", pa.int64())])
    texts = pa.schema([*data.SCHEMA, pa.field("flag", pa.string())])
    for schema, ranges, message in [
        (twice, data.RANGES, "SCHEMA names a column twice"),
        (texts, {"flag": (0, 1)}, r"RANGES names texts \(flag\); leave them out"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(data, "SCHEMA", schema)
            patch.setattr(data, "RANGES", ranges)
            with pytest.raises(contract.ContractError, match=message):
                check()


def test_many_classes_cannot_be_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "PROBLEM", Classification(classes=("bus", "train")))
    check()
    monkeypatch.setattr(model, "PROBLEM", Classification(classes=("bus", "train", "bike")))
    with pytest.raises(contract.ContractError, match=r"^features\.py: PER divides a number"):
        check()


def rows() -> pd.DataFrame:
    return make_month("2024-01", 50).select(contract.SCHEMA.names).to_pandas()


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        (lambda trips: trips, r"clean has to return \(rows, {reason: bad rows}\)"),
        (lambda trips: (trips.assign(duration=1.0), ["bad"]), "clean has to return .rows, "),
        (
            lambda trips: (trips.assign(duration=1.0), {"bad": [True]}),
            "clean has to return .rows, ",
        ),
        (lambda trips: (trips, {}), "clean has to return all rows in order, with 'duration'"),
        (lambda trips: (trips[:9].assign(duration=1.0), {}), "clean has to return all rows in or"),
        (
            lambda trips: (trips.assign(duration=1.0).sort_values("trip_distance"), {}),
            "clean has to return all rows in order",
        ),
    ],
    ids=["rows alone", "a list", "a short mask", "no target", "some rows", "another order"],
)
def test_clean_returns_what_is_asked_for(
    clean: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_rows, "clean", clean)
    with pytest.raises(contract.ContractError, match=rf"^data\.py: {message}"):
        kit_rows.clean_rows(rows(), "2024-01")


def test_clean_may_join_what_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = kit_rows.clean_rows(rows(), "2024-01")[0]
    own = data.clean

    def clean(trips: pd.DataFrame) -> Any:
        vendors = pd.DataFrame({"VendorID": [1.0, 2.0], "vendor": ["one", "two"]})
        return own(trips.merge(vendors, "left", "VendorID"))

    monkeypatch.setattr(kit_rows, "clean", clean)
    # Rows as a filter leaves them.
    kept, _ = kit_rows.clean_rows(rows().set_index(pd.RangeIndex(7, 57)), "2024-01")
    assert kept[[*expected]].equals(expected)


def test_an_error_in_clean_comes_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "import pandas as pd\n"
        "def clean(trips):\n"
        "    return minutes(trips), {}\n"
        "def minutes(trips):\n"
        "    return trips.assign(duration=trips['ended'])\n"
    )
    edited: dict[str, Any] = {}
    exec(compile(source, str(data.__file__), "exec"), edited)  # as if it were data.py
    monkeypatch.setattr(kit_rows, "clean", edited["clean"])
    message = r"^data\.py: clean failed at data\.py:5: KeyError: 'ended'$"
    with pytest.raises(locations.DataError, match=message):
        kit_rows.clean_rows(rows(), "2024-01")


def test_a_target_that_is_no_number_drops_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(trips: pd.DataFrame) -> Any:
        target = pd.Series(5.0, trips.index)
        target.iloc[0], target.iloc[1] = float("nan"), float("inf")
        return trips.assign(duration=target), {"odd": trips.index == 2}

    monkeypatch.setattr(kit_rows, "clean", clean)
    kept, dropped = kit_rows.clean_rows(rows(), "2024-01")
    assert len(kept) == 47
    assert {reason: count for reason, count in dropped.items() if count} == {
        "odd": 1,
        "duration is no number": 2,
    }


def test_a_command_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    source = tmp_path / "src"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / PACKAGE, source / PACKAGE, ignore=ignored)
    edited = source / PACKAGE / "data.py"
    edited.write_text(re.sub(r"^NOUN = .*$", "", edited.read_text(), flags=re.MULTILINE))
    command = [sys.executable, "-m", PACKAGE, "promote", "--version", "1"]
    env = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == 'error: data.py: NOUN is missing; add it: what a row is called, such as "orders"'
    assert "Traceback" not in done.stderr
