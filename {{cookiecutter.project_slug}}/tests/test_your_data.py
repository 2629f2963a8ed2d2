"""Do your own data fit? The test to run after an edit of data.py or features.py.

It needs no edit itself: it knows only the names in data.py and features.py, and your months.
"""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from .package import data, evaluation, features, settings, sources, training

ROWS = 1_000
KINDS = [pa.timestamp("us"), pa.int64(), pa.float64(), pa.string()]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[data.Month]:
    """Every month of the data location, cleaned, oldest first."""
    folder = tmp_path_factory.mktemp("months")
    found = sources.list_months(settings.Settings().data_location)
    return [data.clean_month(sources.fetch(name, folder), name, folder) for name in found]


@pytest.fixture(scope="module")
def rows(months: list[data.Month]) -> pd.DataFrame:
    """Inputs of the newest month."""
    X, _ = data.read([months[-1].path])
    return X.sample(min(ROWS, len(X)), random_state=0).reset_index(drop=True)


def test_every_month_is_cleaned(months: list[data.Month]) -> None:
    assert len(months) > 1, "one month to train on and one to test on are needed"
    for field in data.SCHEMA:
        assert field.type in KINDS, f"SCHEMA: '{field.name}' is {field.type}, none of {KINDS}"
    assert data.SCHEMA.field(data.TIME).type == KINDS[0], "TIME is no timestamp"
    for month in months:
        X, y = data.read([month.path])
        assert np.isfinite(y).all(), f"{month.source}: {data.TARGET} is not always a number"
        assert not data.input_faults(X, month.period)["value missing"].any()
    assert data.TIME in data.REQUIRED
    assert not {data.TARGET, *data.LABELS} & {*data.INPUTS.names}, "the model would see the answer"


def test_features_are_numbers(rows: pd.DataFrame) -> None:
    built = features.build_features(rows)
    assert len(built) == len(rows)
    assert built.columns.is_unique
    assert {*features.GROUPS} <= {*built.columns}
    assert features.PER is None or features.PER in built.columns
    for name, column in built.items():
        assert column.dtype == "float32", f"feature '{name}' is {column.dtype}"
        assert not np.isinf(column).any(), f"feature '{name}' is infinite"
    for name, codes in features.GROUPS.items():
        assert built[name].between(0, codes - 1).all(), f"'{name}' has codes that are not in GROUPS"
        assert (built[name] % 1 == 0).all()


def test_rows_do_not_see_each_other(rows: pd.DataFrame) -> None:
    built = features.build_features(rows)
    some = rows.sample(frac=0.5, random_state=1)
    pd.testing.assert_frame_equal(features.build_features(some), built.loc[some.index])


def test_a_small_model_beats_the_mean_and_takes_a_row_of_json(
    months: list[data.Month], rows: pd.DataFrame
) -> None:
    *train, test = [month.path for month in months[-2:]]
    pipeline = training.fit(train, training.TrainParams(max_rounds=40))
    X, y = data.read([test])
    error = evaluation.evaluate(y, pipeline.predict(X)).rmse
    mean = np.full(len(y), data.read(train)[1].mean())
    assert error < evaluation.evaluate(y, mean).rmse

    sent = json.loads(rows[:1].to_json(orient="records", date_format="iso"))
    row = pd.DataFrame(sent).astype(rows.dtypes)
    assert np.allclose(pipeline.predict(row), pipeline.predict(rows[:1]))
