"""The flows at work on your own months: train, score, monitor, retrain.

It needs no edit: it takes the newest three months of the data location, or some rows of each.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from . import PACKAGE, module, quick_params

flows = module("flows")
periods = module("kit.modelling.periods")
registry = module("kit.registry")
settings = module("settings")
sources = module("kit.sources")

ROWS = 5_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every n-th row of each of the newest three months to a folder."""
    folder, fetched = tmp_path_factory.mktemp("sample"), tmp_path_factory.mktemp("fetched")
    for location in sources.list_months(settings.Settings().data_location, fetched)[-3:]:
        name = f"month_{periods.in_name(location)}.parquet"
        pq.write_table(every_nth_row(sources.fetch(location, fetched)), folder / name)
    return folder


def every_nth_row(path: Path) -> pa.Table:
    """Read about ROWS rows, at even distances, whatever the size of the file."""
    with pq.ParquetFile(path) as file:
        step = max(1, file.metadata.num_rows // ROWS)
        first, taken = 0, []
        for batch in file.iter_batches():
            places = range(-first % step, len(batch), step)
            taken.append(batch.take(pa.array(places, pa.int64())))
            first += len(batch)
        return pa.Table.from_batches(taken, file.schema_arrow)


@pytest.mark.usefixtures("prefect_harness")
def test_a_model_is_trained_judged_and_used(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PACKAGE.upper()}_DATA_LOCATION", str(sample))
    trained = flows.train(params=quick_params())
    assert trained.model_version == 1
    if not trained.promoted:  # no better than the baseline: a person may promote it all the same
        assert registry.champion() is None
        flows.promote(trained.model_version, "to test the other flows")
    champion = registry.the_champion()
    assert champion.run_id == trained.run_id
    for name, value in trained.metrics.items():
        assert champion.metrics[f"test_{name}"] == pytest.approx(value)

    [scored] = flows.score().months
    predictions = pq.read_table(scored.path)
    assert scored.scored == len(predictions) > 0
    assert predictions["prediction"].null_count == 0

    seen = flows.retrain()
    assert seen.monitoring.verdict in {"ok", "warn", "fail"}
    assert seen.monitoring.error == pytest.approx(trained.metrics[next(iter(trained.metrics))])
    assert seen.training is None, "version 1 was tested on this month already"
