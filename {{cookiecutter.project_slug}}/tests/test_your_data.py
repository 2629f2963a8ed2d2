"""Do your own data fit? The test to run after an edit of data.py, features.py or model.py.

It needs no edit itself: it knows only what the kit asks of these files, and your months.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from . import PACKAGE, module, quick_params

contract = module("kit.modelling.contract")
fitting = module("kit.modelling.fitting")
kit_months = module("kit.modelling.months")
kit_rows = module("kit.modelling.rows")
pipelines = module("kit.modelling.pipeline")
settings = module("settings")
sources = module("kit.sources")

PROBLEM = contract.PROBLEM
ROWS, SINGLE_ROWS = 1_000, 20
ENOUGH = 5_000
KINDS = [pa.timestamp("us"), pa.int64(), pa.float64(), pa.string()]
ADVICE = (
    "A row has to get the same features wherever it is. What cat.codes and factorize give depends "
    "on the other rows, and hash() on the process; GROUPS takes texts and whole numbers as they are"
)
OTHER_PROCESS = f"""
import sys
import pandas as pd
from {PACKAGE}.kit.modelling.contract import build_features
build_features(pd.read_parquet(sys.argv[1])).to_parquet(sys.argv[2])
"""


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Clean every month of the data location; oldest first."""
    folder = tmp_path_factory.mktemp("months")
    found = sources.list_months(settings.Settings().data_location, folder)
    return [kit_months.clean_month(sources.fetch(name, folder), name, folder) for name in found]


@pytest.fixture(scope="module")
def rows(months: list[Any]) -> pd.DataFrame:
    """Take some inputs of the newest month."""
    X, _ = kit_months.read([months[-1].path])
    return X.sample(min(ROWS, len(X)), random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def history(months: list[Any]) -> list[Path]:
    """Take the newest months before the newest, as many as have rows enough for a small model."""
    rows = np.cumsum([month.kept for month in months[-2::-1]])
    return [month.path for month in months[-2::-1][: int(np.searchsorted(rows, ENOUGH)) + 1]]


@pytest.fixture(scope="module")
def pipeline(history: list[Path]) -> Any:
    """Fit a small model."""
    return fitting.fit(history, quick_params())


def assert_same(expected: pd.DataFrame, found: pd.DataFrame, where: str) -> None:
    """Compare features value by value, whatever type holds them."""
    assert [*found] == [*expected], f"features.py: {where} there are other features"
    for name in expected:
        one, other = (column.astype(object) for column in (expected[name], found[name]))
        if pd.api.types.is_numeric_dtype(expected[name].dtype):
            same = np.isclose(one.astype(float), other.astype(float), equal_nan=True)
        else:
            same = (one == other) | (one.isna() & other.isna())
        assert same.all(), f"features.py: feature '{name}' is another one {where}. {ADVICE}"


def test_every_month_is_cleaned(months: list[Any]) -> None:
    assert len(months) > 1, "one month to train on and one to test on are needed"
    kit_months.check_months(months[:-1], months[-1])
    for field in contract.SCHEMA:
        assert field.type in KINDS, f"SCHEMA: '{field.name}' is {field.type}, none of {KINDS}"
    for month in months:
        X, y = kit_months.read([month.path])
        assert np.isfinite(y).all(), f"{month.source}: {contract.TARGET} is not always a number"
        faults = kit_rows.input_faults(X, month.period)
        assert not any(bad.any() for bad in faults.values()), month.source


def test_features_are_numbers_or_in_groups(rows: pd.DataFrame) -> None:
    built = contract.build_features(rows)
    assert len(built) == len(rows)
    assert built.columns.is_unique
    assert all(isinstance(name, str) for name in built), "features have names that are no texts"
    named = {"GROUPS": contract.GROUPS, "SEASONAL": contract.SEASONAL, "PER": (contract.PER,)}
    for constant, names in named.items():
        missing = {*names} - {*built} - {None}
        assert not missing, f"features.py: {constant} names {missing}, which are no features"
    # It refuses what is neither a number nor a category, and says which feature.
    pipelines.make_pipeline(None)[:-1].fit_transform(rows, np.zeros(len(rows)))


def test_rows_do_not_see_each_other(rows: pd.DataFrame) -> None:
    built = contract.build_features(rows)
    some = rows.sample(frac=0.5, random_state=1)
    assert_same(built.loc[some.index], contract.build_features(some), "among half of the rows")


def test_a_row_alone_gets_the_same(rows: pd.DataFrame, pipeline: Any) -> None:
    built, predicted = contract.build_features(rows), PROBLEM.predict(pipeline, rows)
    for i in range(min(SINGLE_ROWS, len(rows))):
        row = rows[i : i + 1]
        assert_same(built[i : i + 1], contract.build_features(row), "in a row alone")
        assert np.allclose(PROBLEM.predict(pipeline, row), predicted[i : i + 1], rtol=1e-4)


def test_another_process_gets_the_same(rows: pd.DataFrame, tmp_path: Path) -> None:
    raw, built = tmp_path / "rows.parquet", tmp_path / "features.parquet"
    rows.to_parquet(raw)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    command = [sys.executable, "-c", OTHER_PROCESS, str(raw), str(built)]
    subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, check=True)
    assert_same(contract.build_features(rows), pd.read_parquet(built), "in another process")


def test_a_small_model_beats_the_baseline(
    months: list[Any], history: list[Path], pipeline: Any
) -> None:
    X, y = kit_months.read([months[-1].path])
    baseline = PROBLEM.baseline([kit_months.read(history)[1].to_numpy()], len(y))
    loss = PROBLEM.losses(y.to_numpy(), PROBLEM.predict(pipeline, X)).mean()
    assert loss < PROBLEM.losses(y.to_numpy(), baseline).mean(), "the features explain nothing"


def test_a_model_takes_a_row_of_json(rows: pd.DataFrame, pipeline: Any) -> None:
    text = rows[:1].to_json(orient="records", date_format="iso", date_unit="us")
    row = pd.DataFrame(json.loads(text)).astype(rows.dtypes)
    assert np.allclose(PROBLEM.predict(pipeline, row), PROBLEM.predict(pipeline, rows[:1]))
