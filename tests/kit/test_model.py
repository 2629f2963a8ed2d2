"""The encoder, the pipeline and the comparison of two models."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .package import data, encoding, evaluation, features, streaming, training


def test_means_are_learnt_from_the_other_folds() -> None:
    X = pd.DataFrame({"group": [0, 0, 1, 1], "miles": [1.0, 2.0, 4.0, np.nan], "hour": 0.0})
    encoder = encoding.GroupMeans({"group": 3}, per="miles", prior_rows=0, folds=2)
    y = [10.0, 20.0, 30.0, 50.0]
    with np.errstate(invalid="ignore"):
        learnt = encoder.fit_transform(X, y)
        told = encoder.transform(X)
    assert encoder.get_feature_names_out() == ["miles", "hour", "group_mean", "group_per"]
    assert learnt[:, 2].tolist() == [20, 10, 50, 30]
    assert told[:, 2].tolist() == [15, 15, 40, 40]
    assert told[0, 3] == 30 / 3
    assert told[2, 3] == 30 / 4


def test_batches_teach_the_same_as_all_at_once() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"group": rng.integers(0, 5, 100), "miles": rng.random(100)})
    y = rng.random(100)
    whole = encoding.GroupMeans({"group": 5}, "miles")
    learnt = whole.fit_transform(X, y)
    parts = encoding.GroupMeans({"group": 5}, "miles").start()
    parts.add(X[:37], y[:37]).add(X[37:], y[37:], 37)
    assert np.allclose(parts.out_of_fold()(X[37:], 37), learnt[37:])
    assert np.allclose(parts.finish().transform(X), whole.transform(X))


def test_a_pipeline_takes_raw_rows_and_survives_a_file(months: list[str], tmp_path: Path) -> None:
    paths = [data.clean_month(Path(path), path, tmp_path).path for path in months]
    pipeline = training.fit(paths[:2], training.TrainParams(max_rounds=40))
    X, y = data.read(paths[2:])
    predicted = pipeline.predict(X)
    baseline = np.full(len(y), streaming.target_mean(paths[:2]))
    assert evaluation.evaluate(y, predicted).rmse < 0.7 * evaluation.evaluate(y, baseline).rmse
    assert sum(features.importance(pipeline).values()) == pytest.approx(1, abs=1e-5)
    training.save(pipeline, tmp_path / "pipeline.skops")
    assert (training.load(tmp_path / "pipeline.skops").predict(X) == predicted).all()


def test_unknown_zones_and_missing_values_are_predicted(months: list[str], tmp_path: Path) -> None:
    path = data.clean_month(Path(months[0]), months[0], tmp_path).path
    pipeline = training.fit([path], training.TrainParams(max_rounds=5))
    rows = data.read([path])[0][:3]
    rows = rows.assign(PULocationID=[9999, -1, 1], trip_distance=np.nan, trip_type=np.nan)
    assert np.isfinite(pipeline.predict(rows)).all()


@pytest.mark.parametrize(
    ("noise", "promoted", "why"),
    [(0.5, True, "beyond noise"), (0.999, False, "not the gain"), (1.5, False, "higher than")],
)
def test_promotion_asks_for_a_gain_beyond_noise(noise: float, promoted: bool, why: str) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=5000)
    error = rng.normal(size=5000)
    verdict = evaluation.is_better(y, y + noise * error, y + error, "champion", 0.005)
    assert verdict.promoted is promoted
    assert why in verdict.reason


def test_what_is_no_number_is_no_gain() -> None:
    y = np.linspace(1, 60, 500)
    broken = np.where(np.arange(500) == 7, np.nan, y)
    for challenger, rival in ((broken, y + 1), (y, y)):
        assert not evaluation.is_better(y, challenger, rival, "champion", 0.005).promoted


def test_a_gain_on_few_rows_may_be_noise() -> None:
    y, challenger, rival = np.random.default_rng(1).normal(size=(3, 60))
    verdict = evaluation.is_better(y, y + challenger, y + 1.05 * rival, "champion", 0)
    assert "lower than" in verdict.reason
    assert verdict.reason.endswith("which may be noise")
    assert not verdict.promoted
