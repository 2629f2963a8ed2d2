"""Drift: neighbouring months pass, whatever their size; a month of another world does not."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from prefect.artifacts import Artifact

from .. import PACKAGE, module
from .make_months import make_month

contract = module("kit.modelling.contract")
data = module("data")
drift = module("kit.drift")
flows = module("flows")
kit_months = module("kit.modelling.months")
locations = module("kit.locations")
model = module("model")
monitoring = module("kit.monitoring")
records = module("kit.records")
registry = module("kit.registry")
tracking = module("kit.tracking")
DRIFT_KEY = module("flows.monitoring").DRIFT_KEY
SCORES_KEY = module("flows.scoring").SCORES_KEY

PARAMS = model.TrainParams(max_rounds=20)


class Mean:
    """A model that always says the mean of what it was trained on."""

    def __init__(self, path: Path) -> None:
        y = kit_months.read([path])[1]
        self.mean, self.rmse = y.mean(), y.std()

    def predict(self, X: pd.DataFrame) -> Any:
        return np.full(len(X), self.mean)

    def features(self, X: pd.DataFrame) -> Any:
        return contract.build_features(X)


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def inspect(trained: Path, seen: Path, folder: Path) -> Any:
    """What a model of one raw month finds in another."""
    path = kit_months.clean_month(trained, trained.name, folder / "clean").path
    reference, mean = drift.make_reference([path]), Mean(path)
    champion = records.Champion(version=0, run_id="", metrics={"test_rmse": mean.rmse})
    return monitoring.inspect(seen, seen.name, champion, reference, mean)


def judged(found: Any, judgement: str) -> list[str]:
    return [name for name, finding in found.findings.items() if finding.judgement == judgement]


def test_psi_is_that_of_the_shares() -> None:
    values = pd.Series([1.0] * 600 + [2.0] * 300 + [np.nan] * 100)
    bins = drift.make_bins(values, is_category=True)
    assert bins.count(values).tolist() == [600, 300, 0, 100] == bins.counts
    other = pd.Series([1.0] * 300 + [2.0] * 600 + [3.0] * 50 + [np.nan] * 50)
    counts = bins.count(other)
    assert counts.tolist() == [300, 600, 50, 50]
    assert drift.psi(bins.array, bins.array) == 0
    expected = 2 * 0.3 * np.log(2) + 0.05 * np.log(50.5 / 0.5) + 0.05 * np.log(2)
    assert drift.psi(bins.array, counts) == pytest.approx(expected, rel=0.01)


def test_a_number_is_counted_between_its_quantiles() -> None:
    values = pd.Series(np.arange(1000.0))
    bins = drift.make_bins(values, is_category=False)
    assert bins.counts == [100] * 10 + [0]
    assert bins.count(pd.Series([-5.0, 5000.0, np.nan])).tolist() == [1, *[0] * 8, 1, 1]


@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_texts_are_counted_whatever_holds_them(kind: Any) -> None:
    values = pd.Series(["a"] * 6 + ["b"] * 3 + [None], dtype="object").astype(kind)
    bins = drift.make_bins(values, is_category=True)
    again = drift.Bins.model_validate_json(bins.model_dump_json())
    others: list[Any] = ["object", "str", "category"]
    for held in others:
        other = pd.Series(["b", "c", None, "b"], dtype="object").astype(held)
        assert again.count(other).tolist() == [0, 2, 1, 1]
    assert again.count(values).tolist() == [6, 3, 0, 1]


@pytest.mark.parametrize("rows", [2_000, 10_000, 60_000])
def test_neighbouring_months_pass_and_other_worlds_fail(rows: int, tmp_path: Path) -> None:
    first = write(tmp_path / "trips_2024-01.parquet", make_month("2024-01", rows))
    second = write(tmp_path / "trips_2024-02.parquet", make_month("2024-02", rows))
    found = inspect(first, second, tmp_path)
    assert not judged(found, "warn") + judged(found, "fail")
    assert found.verdict == "ok"

    other = write(tmp_path / "trips_2024-03.parquet", make_month("2024-03", rows, seed=7))
    found = inspect(first, other, tmp_path)
    assert found.verdict == "fail"
    assert found.findings["pickup"].judgement == "fail"


def test_a_month_may_drift_in_one_thing(tmp_path: Path) -> None:
    first = write(tmp_path / "trips_2024-01.parquet", make_month("2024-01", 2_000))
    table = make_month("2024-02", 2_000, speed=0.5)
    slower = inspect(first, write(tmp_path / "trips_2024-02.parquet", table), tmp_path)
    assert judged(slower, "fail") == ["RMSE"]

    table = make_month("2024-02", 2_000)
    index = table.schema.get_field_index("trip_type")
    table = table.set_column(index, "trip_type", pa.nulls(2_000, pa.float64()))
    table = table.drop_columns([data.DROPOFF])
    missing = inspect(first, write(tmp_path / "trips_2024-03.parquet", table), tmp_path)
    assert judged(missing, "fail") == ["trip_type"]
    assert missing.error is None


def test_what_is_seasonal_raises_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(trips: pd.DataFrame) -> Any:
        return build_features(trips).assign(month=trips[data.PICKUP].dt.month)

    build_features = contract.build_features
    monkeypatch.setattr(contract, "build_features", build)
    monkeypatch.setattr(drift, "build_features", build)
    first = write(tmp_path / "trips_2024-01.parquet", make_month("2024-01", 2_000))
    second = write(tmp_path / "trips_2024-02.parquet", make_month("2024-02", 2_000))
    found = inspect(first, second, tmp_path)
    assert judged(found, "fail") == ["month"]
    drifted = found.findings["month"].value
    monkeypatch.setattr(monitoring, "SEASONAL", ("month",))
    found = inspect(first, second, tmp_path)
    assert found.verdict == "ok"
    assert found.findings["month"].value == drifted > 1


@pytest.mark.parametrize("rows", [5, 20, 100])
def test_few_rows_raise_no_alarm(rows: int, tmp_path: Path) -> None:
    first = write(tmp_path / "trips_2024-01.parquet", make_month("2024-01", 10_000))
    table = make_month("2024-02", 10_000)
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(10):
        some = pa.array(rng.choice(len(table), rows, replace=False))
        few = write(tmp_path / "trips_2024-02.parquet", table.take(some))
        failed += inspect(first, few, tmp_path).verdict == "fail"
    assert failed <= 1


def test_rows_without_labels_count_for_drift(tmp_path: Path) -> None:
    first = write(tmp_path / "trips_2024-01.parquet", make_month("2024-01", 2_000))
    table = make_month("2024-02", 2_000, seed=7)
    index = table.schema.get_field_index(data.DROPOFF)
    known = pa.array([row < 50 for row in range(len(table))])
    times = pc.if_else(known, table[data.DROPOFF], None)
    partly = write(tmp_path / "trips_2024-02.parquet", table.set_column(index, data.DROPOFF, times))
    found = inspect(first, partly, tmp_path)
    assert found.rows > 1_900
    assert found.error is not None
    assert found.findings["pickup"].judgement == "fail"


@pytest.mark.skipif("REAL_MONTHS" not in os.environ, reason="REAL_MONTHS names no folder")
def test_real_months(tmp_path: Path) -> None:
    folder = Path(os.environ["REAL_MONTHS"])
    then, before, now, after = (
        folder / f"green_tripdata_{month}.parquet"
        for month in ("2021-01", "2021-02", "2023-01", "2023-02")
    )
    assert inspect(then, before, tmp_path).verdict == "ok"
    assert inspect(now, after, tmp_path).verdict == "ok"
    drifted = inspect(before, now, tmp_path).findings
    assert drifted["pickup"].judgement == drifted["dropoff"].judgement == "fail"


@pytest.mark.usefixtures("prefect_harness")
def test_a_drifted_month_is_learnt_once(
    months: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    with pytest.raises(ValueError, match="has no champion yet"):
        flows.score()
    flows.train(months[:2], months[2], PARAMS)
    for path in months:
        (tmp_path / Path(path).name).symlink_to(path)
    monkeypatch.setenv(f"{PACKAGE.upper()}_DATA_LOCATION", str(tmp_path))
    calm_champion = registry.the_champion()
    calm = flows.retrain()
    assert calm.monitoring.verdict == "ok"
    assert calm.monitoring.model_version == 1
    assert calm.training is None
    # Version 1 was tested on this month, so its predictions are those that it is compared with.
    assert calm.monitoring.findings["predictions"].value == 0

    write(tmp_path / "trips_2024-04.parquet", make_month("2024-04", 2_000, seed=7))
    stirred = flows.retrain()
    assert stirred.monitoring.verdict == "fail"
    moved = stirred.monitoring.findings["predictions"]
    assert moved.judgement == "ok", "it is reported; the alarm is for the features and the error"
    assert moved.value > 0
    run_id = calm_champion.run_id
    client = tracking.connect()
    for name, before, after in (("verdict", 0, 2), ("predictions", 0, moved.value)):
        series = client.get_metric_history(run_id, f"monitor/{name}")
        assert [(m.step, m.value) for m in series] == [(202403, before), (202404, after)]
    report: Any = Artifact.get(DRIFT_KEY)
    assert "# 2024-04: fail" in report.data
    assert "| `pickup` |" in report.data
    assert stirred.training
    assert stirred.training.model_version == 2
    assert stirred.scoring
    [scored] = stirred.scoring.months
    assert scored.path == state_dir / "predictions" / "trips_2024-04.parquet"
    assert stirred.scoring.model_version == (2 if stirred.training.promoted else 1)
    metadata = pq.read_schema(scored.path).metadata
    assert metadata[b"model_version"] == str(stirred.scoring.model_version).encode()
    assert metadata[b"scored_at"]
    table: Any = Artifact.get(SCORES_KEY)
    [counts] = json.loads(table.data)
    assert (counts["month"], counts["rows"]) == ("trips_2024-04", 2_000)
    assert counts["scored"] == scored.scored == 2_000

    again = flows.retrain()
    assert again.monitoring.verdict == "fail"
    assert again.training is None
