"""The train flow, on a real Prefect server and a real MLflow store."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from prefect import task
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client

from .. import module
from .make_months import make_month

flows = module("flows")
locations = module("kit.locations")
model = module("model")
promotions = module("kit.promotions")
registry = module("kit.registry")
shared = module("flows.shared")
tracking = module("kit.tracking")
training = module("flows.training")

PARAMS = model.TrainParams(max_rounds=20)


@pytest.mark.usefixtures("prefect_harness")
def test_train_promotes_once_and_keeps_the_champion(months: list[str], tmp_path: Path) -> None:
    first = flows.train(months[:2], months[2], PARAMS)
    assert first.promoted
    assert first.model_version == 1
    assert first.reason.endswith("beyond noise")
    report: Any = Artifact.get(training.REPORT_KEY)
    heading = f"# RMSE {first.metrics['rmse']:.3f} minutes: version 1 promoted to champion"
    assert heading in report.data

    champion = registry.champion()
    assert champion is not None
    assert champion.run_id == first.run_id
    assert champion.metrics["test_rmse"] == first.metrics["rmse"]
    client = tracking.connect()
    run = client.get_run(first.run_id)
    assert UUID(run.data.tags["prefect.flow_run_id"])
    assert run.data.params["max_rounds"] == "20"
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 3
    plots = {file.path for file in client.list_artifacts(first.run_id, "plots")}
    assert "plots/actual_vs_predicted.png" in plots

    # The same data give the same model: cached, compared on the same rows, not promoted.
    second = flows.train(months[:2], months[2], PARAMS)
    assert not second.promoted
    assert "the same as version 1 (champion), less than the gain" in second.reason
    assert second.model_version == 2

    # A champion that has seen the rows that it is now tested on is judged too kindly.
    third = flows.train(months[:1], months[1], PARAMS)
    note = "version 1 (champion) learnt from this month, so its error is too low here"
    assert third.reason.endswith(f"; {note}")
    assert note not in first.reason + second.reason
    assert registry.champion() == champion

    truncated = tmp_path / "trips_2024-04.parquet"
    pq.write_table(make_month("2024-04", 100), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-9])
    with pytest.raises(locations.DataError, match="not a whole parquet file"):
        flows.train(months, str(truncated), PARAMS)
    assert registry.champion() == champion


@pytest.mark.usefixtures("prefect_harness")
def test_a_better_model_waits_for_approval(months: list[str]) -> None:
    def train() -> Any:
        return flows.train(months[:2], months[2], PARAMS, auto_promote=False)

    first = train()
    assert not first.promoted
    how = "beyond noise; it waits for approval: uv run poe promote --version"
    # Another test on this server may have made the deployment.
    assert re.search(rf"{how} 1(, or http://\S+)?$", first.reason)
    assert registry.champion() is None

    # Once there is a deployment for it, its page is named; the report makes a link of it.
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(flows.promote)
        deployment = client.create_deployment(flow_id, "by-hand")  # or the one that is there
    second = train()
    assert re.search(rf"{how} 2, or http://\S+/deployments/deployment/{deployment}$", second.reason)
    report: Any = Artifact.get(training.REPORT_KEY)
    assert f"{second.reason[4:]}.\n" in report.data
    assert registry.champion() is None

    # A person approves; a model that is no better waits for nothing.
    flows.promote(2, "looks right")
    third = train()
    assert "the same as version 2 (champion)" in third.reason
    assert "approval" not in third.reason
    assert [entry.version for entry in promotions.promotions()] == [2]


@pytest.mark.usefixtures("prefect_harness")
def test_a_deleted_checkpoint_is_made_again(months: list[str], state_dir: Path) -> None:
    folder = state_dir / "checkpoints"
    month = shared.fetch_and_clean(months[0], folder)
    month.path.unlink()
    assert shared.fetch_and_clean(months[0], folder).path.exists()


@pytest.mark.usefixtures("prefect_harness")
def test_only_what_may_get_better_is_tried_again() -> None:
    tries: list[str] = []

    @task(**shared.NETWORK_TASK | {"retry_delay_seconds": 0, "retry_jitter_factor": None})
    def read(error: Exception) -> None:
        tries.append(type(error).__name__)
        raise error

    for error in (ConnectionError("reset"), locations.DataError("bad")):
        with pytest.raises(type(error)):
            read(error)
    assert tries == ["ConnectionError"] * 4 + ["DataError"]
