"""The engine "external" beside the one in memory; dask is an extra, which need not be there."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.exceptions import ParameterTypeError

from .package import data, evaluation, flows, parquet, settings, streaming, training

PARAMS = training.TrainParams(max_rounds=10, max_depth=6)


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The sample months, in several parts each."""
    folder = tmp_path_factory.mktemp("cleaned")
    months = sorted((settings.ROOT / "data").glob("*.parquet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "batches", partial(parquet.batches, rows=6_000))
        return [data.clean_month(path, path.name, folder).path for path in months]


def rmse(pipeline: Any, path: Path) -> float:
    X, y = data.read([path])
    return evaluation.evaluate(y, pipeline.predict(X)).rmse


def test_external_is_as_good_as_memory(cleaned: list[Path], tmp_path: Path) -> None:
    *train, test = cleaned
    assert len(streaming.parts_of(train)) == 4
    memory = training.fit(train, PARAMS)
    external = training.fit(train, PARAMS, "external", tmp_path)
    assert rmse(external, test) == pytest.approx(rmse(memory, test), rel=0.005)
    assert [*external.named_steps] == [*memory.named_steps]
    assert external[-1].n_estimators == external[-1].get_booster().num_boosted_rounds()
    training.save(external, tmp_path / "pipeline.skops")
    loaded = training.load(tmp_path / "pipeline.skops")
    assert rmse(loaded, test) == rmse(external, test)


def test_external_leaves_no_pages_after_a_failure(
    cleaned: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("No space left on device")

    monkeypatch.setattr(streaming, "read_features", fail)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "of-a-killed-process").touch()
    with pytest.raises(OSError, match="No space left"):
        training.fit(cleaned, PARAMS, "external", tmp_path)
    assert not [*tmp_path.iterdir()]


def test_streams_give_what_is_read_whole(cleaned: list[Path]) -> None:
    X, y = data.read(cleaned)
    parts = streaming.parts_of(cleaned)
    assert sum(part.rows for part in parts) == len(y)
    assert streaming.target_mean(cleaned) == pytest.approx(y.mean())
    middle = X[data.TIME][len(y) // 2]
    spans = streaming.Span(end=middle), streaming.Span(start=middle)
    found = [np.concatenate([streaming.read_features(p, s)[1] for p in parts]) for s in spans]
    assert np.allclose(np.sort(np.concatenate(found)), np.sort(y))
    assert len(found[0]) == (X[data.TIME] < middle).sum()


def test_auto_goes_by_the_rows() -> None:
    assert training.choose_engine("auto", 10, 10) == "memory"
    assert training.choose_engine("auto", 11, 10) == "external"
    assert training.choose_engine("memory", 11, 10) == "memory"


@pytest.mark.skipif(find_spec("distributed") is not None, reason="dask is installed")
def test_dask_says_how_it_is_installed() -> None:
    with pytest.raises(ValueError, match="uv sync --group dask"):
        training.choose_engine("dask", 10, 10)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ParameterTypeError, match="engine"):
        flows.train.validate_parameters({"engine": "spark"})
