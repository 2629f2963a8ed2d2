"""The train flow, on a real Prefect server and a real MLflow store."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from prefect import task
from prefect.artifacts import Artifact

from .make_months import make_month
from .package import flows, parquet, registry, settings, tasks, training

PARAMS = training.TrainParams(max_rounds=20)


@pytest.mark.usefixtures("prefect_harness")
def test_train_promotes_once_and_keeps_the_champion(months: list[str], tmp_path: Path) -> None:
    first = flows.train(months[:2], months[2], PARAMS)
    assert first.promoted
    assert first.model_version == 1
    report: Any = Artifact.get(tasks.REPORT_KEY)
    assert f"# RMSE {first.rmse:.2f} minutes: version 1 promoted to champion" in report.data

    store = registry.Registry(settings.Settings())
    champion = store.champion()
    assert champion is not None
    assert champion.run_id == first.run_id
    assert champion.metrics["test_rmse"] == first.rmse
    run = store.client.get_run(first.run_id)
    assert UUID(run.data.tags["prefect.flow_run_id"])
    assert run.data.params["max_rounds"] == "20"
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 3
    plots = {file.path for file in store.client.list_artifacts(first.run_id, "plots")}
    assert "plots/actual_vs_predicted.png" in plots

    # The same data gives the same model: cached, compared on the same rows, not promoted.
    second = flows.train(months[:2], months[2], PARAMS)
    assert not second.promoted
    assert "not the gain" in second.reason
    assert second.model_version == 2

    truncated = tmp_path / "trips_2024-04.parquet"
    pq.write_table(make_month("2024-04", 100), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-9])
    with pytest.raises(parquet.DataError, match="not a whole parquet file"):
        flows.train(months, str(truncated), PARAMS)
    assert store.champion() == champion


@pytest.mark.usefixtures("prefect_harness")
def test_a_deleted_checkpoint_is_made_again(months: list[str], state_dir: Path) -> None:
    folder = state_dir / "checkpoints"
    month = tasks.cleaned(months[0], folder)
    month.path.unlink()
    assert tasks.cleaned(months[0], folder).path.exists()


def test_an_edit_while_a_flow_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.check_code()
    monkeypatch.setitem(tasks.FITTING, "features.py", "as it was at the start")
    with pytest.raises(ValueError, match=r"^features\.py: was edited while this flow ran"):
        tasks.check_code()


@pytest.mark.usefixtures("prefect_harness")
def test_only_what_may_get_better_is_tried_again() -> None:
    tries: list[str] = []

    @task(**tasks.OUTSIDE | {"retry_delay_seconds": 0, "retry_jitter_factor": None})
    def read(error: Exception) -> None:
        tries.append(type(error).__name__)
        raise error

    for error in (ConnectionError("reset"), parquet.DataError("bad")):
        with pytest.raises(type(error)):
            read(error)
    assert tries == ["ConnectionError"] * 4 + ["DataError"]
