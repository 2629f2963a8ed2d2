"""The engine "external" against the one in memory; dask is an extra, which need not be there."""

from functools import partialmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.exceptions import ParameterTypeError

from .. import ROOT, module

contract = module("kit.modelling.contract")
fitting = module("kit.modelling.fitting")
flows = module("flows")
kit_months = module("kit.modelling.months")
parquet = module("kit.modelling.parquet")
parts = module("kit.modelling.parts")
pipelines = module("kit.modelling.pipeline")
streaming = module("kit.modelling.engines.streaming")

PARAMS = contract.TrainParams(max_rounds=10, max_depth=6)


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Clean the sample months, in several parts each."""
    folder = tmp_path_factory.mktemp("cleaned")
    months = sorted((ROOT / "data").glob("*.parquet"))
    with pytest.MonkeyPatch.context() as patch:
        small = partialmethod(parquet.RawMonth.batches, rows=6_000)
        patch.setattr(parquet.RawMonth, "batches", small)
        return [kit_months.clean_month(path, path.name, folder).path for path in months]


def rmse(pipeline: Any, path: Path) -> float:
    X, y = kit_months.read([path])
    return float(contract.PROBLEM.metrics(y.to_numpy(), pipeline.predict(X))["rmse"])


def test_external_is_as_good_as_memory(cleaned: list[Path], tmp_path: Path) -> None:
    *train, test = cleaned
    assert len(parts.parts_of(train)) == 4
    memory = fitting.fit(train, PARAMS)
    external = fitting.fit(train, PARAMS, "external", tmp_path)
    assert rmse(external, test) == pytest.approx(rmse(memory, test), rel=0.005)
    assert [*external.named_steps] == [*memory.named_steps] == ["features", "means", "estimator"]
    assert external[-1].n_estimators == external[-1].get_booster().num_boosted_rounds()
    pipelines.save(external, tmp_path / "pipeline.skops")
    loaded = pipelines.load(tmp_path / "pipeline.skops")
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
        fitting.fit(cleaned, PARAMS, "external", tmp_path)
    assert not [*tmp_path.iterdir()]


def test_streams_give_what_is_read_whole(cleaned: list[Path]) -> None:
    X, y = kit_months.read(cleaned)
    found = parts.parts_of(cleaned)
    assert sum(part.rows for part in found) == len(y)
    read = [parts.read(part, [contract.TARGET])[contract.TARGET].to_numpy() for part in found]
    assert contract.PROBLEM.baseline(read, 1) == pytest.approx(y.mean())
    assert sum(map(len, read)) == len(y)
    middle = X[contract.TIME][len(y) // 2]
    spans = streaming.Span(end=middle), streaming.Span(start=middle)
    targets = [np.concatenate([streaming.read_features(p, s)[1] for p in found]) for s in spans]
    assert np.allclose(np.sort(np.concatenate(targets)), np.sort(y))
    assert len(targets[0]) == (X[contract.TIME] < middle).sum()


def test_auto_goes_by_the_rows() -> None:
    assert fitting.choose_engine("auto", 10, 10) == "memory"
    assert fitting.choose_engine("auto", 11, 10) == "external"
    assert fitting.choose_engine("memory", 11, 10) == "memory"


@pytest.mark.skipif(find_spec("distributed") is not None, reason="dask is installed")
def test_dask_says_how_it_is_installed() -> None:
    with pytest.raises(ValueError, match=r"`uv sync --group dask` .*`uv add"):
        fitting.choose_engine("dask", 10, 10)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ParameterTypeError, match="engine"):
        flows.train.validate_parameters({"engine": "spark"})
    with pytest.raises(ValueError, match="engine 'spark': not known; use auto, memory, external"):
        fitting.choose_engine("spark", 10, 10)


def test_engines_that_are_no_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    monkeypatch.setattr(fitting, "make_estimator", lambda _: Ridge())
    assert fitting.choose_engine("auto", 11, 10) == "memory"
    with pytest.raises(ValueError, match="engine 'external': trains XGBoost only"):
        fitting.choose_engine("external", 11, 10)


def test_engines_that_were_taken_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fitting.MODULES, "external", "taken_out")
    assert fitting.choose_engine("auto", 11, 10) == "memory"
    with pytest.raises(ValueError, match="engine 'external': this project has no module for it"):
        fitting.choose_engine("external", 11, 10)
