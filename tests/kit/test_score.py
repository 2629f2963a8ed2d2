"""Scoring: in batches, whole or not at all, and nothing lost on the way."""

import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from .. import PACKAGE, module
from .make_months import make_month

contract = module("kit.modelling.contract")
data = module("data")
locations = module("kit.locations")
prediction = module("kit.prediction")
reports = module("kit.reports")
Classification = module("kit.modelling.classification").Classification

ABOUT = {"model_version": "7"}


class Miles:
    """A model quick enough to see what scoring does around it."""

    def predict(self, X: pd.DataFrame) -> Any:
        assert list(X) == contract.INPUTS.names
        assert len(X) <= prediction.ROWS
        return X["trip_distance"].to_numpy()

    def features(self, X: pd.DataFrame) -> Any:
        return contract.build_features(X)


def spoiled(table: pa.Table) -> pa.Table:
    """Row 3 without a zone, row 5 of another year."""
    row = np.arange(len(table))
    zones = pc.if_else(pa.array(row == 3), None, table["PULocationID"])
    table = table.set_column(table.schema.get_field_index("PULocationID"), "PULocationID", zones)
    other = pa.scalar(datetime(2008, 12, 31), table[data.PICKUP].type)
    pickups = pc.if_else(pa.array(row == 5), other, table[data.PICKUP])
    return table.set_column(table.schema.get_field_index(data.PICKUP), data.PICKUP, pickups)


def test_every_row_is_scored_or_kept_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "ROWS", 100)
    table = spoiled(make_month("2024-01", 250))
    raw = tmp_path / "trips_2024-01.parquet"
    # A month to predict has no dropoffs yet.
    pq.write_table(table.drop_columns([data.DROPOFF]), raw)
    scores = prediction.score_month(raw, raw.name, Miles(), tmp_path / "out", ABOUT)
    assert (scores.rows, scores.scored) == (250, 248)
    assert scores.rejected == {"PULocationID is missing": 1, "outside the month": 1}

    scored = pq.read_table(scores.path)
    rejected = pq.read_table(scores.path.with_suffix(".rejected.parquet"))
    assert rejected["row"].to_pylist() == [3, 5]
    assert rejected["reason"].to_pylist() == ["PULocationID is missing", "outside the month"]
    assert scored["row"].to_pylist() == [row for row in range(250) if row not in {3, 5}]
    raw_rows = table.take(scored["row"])
    assert scored["prediction"].equals(raw_rows["trip_distance"])
    assert scored[data.PICKUP].equals(raw_rows[data.PICKUP])
    assert scored.schema.metadata[b"model_version"] == b"7"


def test_classes_are_written_with_their_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Chances:
        def predict(self, X: pd.DataFrame) -> Any:
            late = (X["trip_distance"] > 2).to_numpy(float)
            return np.column_stack([1 - late, late])

    monkeypatch.setattr(prediction, "PROBLEM", Classification(classes=("on time", "late")))
    raw = tmp_path / "trips_2024-01.parquet"
    table = make_month("2024-01", 50)
    pq.write_table(table, raw)
    scores = prediction.score_month(raw, raw.name, Chances(), tmp_path, ABOUT | {"name": "x"})
    scored = pq.read_table(scores.path)
    names = ["prediction", "probability_on time", "probability_late"]
    assert scored.column_names[-3:] == names
    far = pc.greater(table["trip_distance"], 2)
    assert scored["prediction"].to_pylist() == [["on time", "late"][x] for x in far.to_pylist()]
    assert scored["probability_late"].equals(pc.cast(far, pa.float64()))


def test_a_month_that_cannot_be_scored_leaves_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(make_month("2024-01", 50).drop_columns(["DOLocationID"]), raw)
    with pytest.raises(locations.DataError, match="column 'DOLocationID' is missing"):
        prediction.score_month(raw, raw.name, Miles(), tmp_path / "out", ABOUT)
    assert not list(tmp_path.glob("out/*"))


def test_predictions_go_to_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, folder = fsspec.filesystem("memory"), f"memory://{tmp_path.name}/"
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(make_month("2024-01", 50), raw)
    assert prediction.scored_by(raw.name, folder) is None
    scores = prediction.score_month(raw, raw.name, Miles(), folder, ABOUT)
    assert scores.path == f"{folder}trips_2024-01.parquet"
    assert reports.scores_table([scores])[0]["month"] == "trips_2024-01"
    names = {path.rpartition("/")[2] for path in store.find(f"/{tmp_path.name}")}
    assert names == {"trips_2024-01.parquet", "trips_2024-01.rejected.parquet"}
    with store.open(f"/{tmp_path.name}/trips_2024-01.parquet") as file:
        assert pq.read_table(file).num_rows == 50
    assert prediction.scored_by(raw.name, folder) == "scored by version 7"

    # A store that breaks is named; what was there stays.
    def broken(*_: Any) -> None:
        raise RuntimeError("no route")

    monkeypatch.setattr(type(store), "put_file", broken)
    with pytest.raises(OSError, match=r"^memory://.*parquet: cannot be written \(no route\); try"):
        prediction.score_month(raw, raw.name, Miles(), folder, {"model_version": "8"})
    assert prediction.scored_by(raw.name, folder) == "scored by version 7"


def test_a_store_without_its_package_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "trips_2024-01.parquet"
    pq.write_table(make_month("2024-01", 50), raw)
    with pytest.raises(ValueError, match=r"^abc://x/\S+: cannot be written here: .*`uv add` it$"):
        prediction.score_month(raw, raw.name, Miles(), "abc://x", ABOUT)


def test_months_of_one_name_are_refused() -> None:
    prediction.check_names(["2024/trips.parquet", "2024/taxis.parquet"])
    with pytest.raises(locations.DataError, match=r"^trips\.parquet: 2 of the months are called"):
        prediction.check_names(["2023/trips.parquet", "2024/trips.parquet"])
    # The file of the rows that are kept aside, and that of a month with such a name.
    with pytest.raises(locations.DataError, match=r"^trips\.parquet: 2 of the months are called"):
        prediction.check_names(["trips.parquet", "trips.rejected.parquet"])


ENDLESS = """
import sys
from pathlib import Path
from PACKAGE.kit import prediction

prediction.ROWS = 10

class Slow:
    def predict(self, X):
        print("batch", flush=True)
        if sys.stdin.readline() == "":
            raise SystemExit
        return X["trip_distance"]

raw, out = map(Path, sys.argv[1:])
prediction.score_month(raw, raw.name, Slow(), out, {})
"""


def test_killed_half_way_it_leaves_what_was_there(tmp_path: Path) -> None:
    raw, out = tmp_path / "trips_2024-01.parquet", tmp_path / "out"
    pq.write_table(make_month("2024-01", 100), raw)
    before = prediction.score_month(raw, raw.name, Miles(), out, ABOUT)
    command = [sys.executable, "-c", ENDLESS.replace("PACKAGE", PACKAGE), str(raw), str(out)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(5):
            assert process.stdout.readline() == "batch\n"
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert pq.read_table(before.path).num_rows == 100
    assert len([*out.rglob("*.parquet")]) == 2
