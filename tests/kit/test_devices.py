"""Where XGBoost trains. No test needs a GPU: where none is, XGBoost warns and takes the CPU."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn.linear_model import Ridge

from .. import PACKAGE, module

boosting = module("kit.modelling.boosting")
contract = module("kit.modelling.contract")
fitting = module("kit.modelling.fitting")
flows = module("flows")
kit_months = module("kit.modelling.months")
pipelines = module("kit.modelling.pipeline")
rows_in_memory = module("kit.modelling.rows_in_memory")
settings = module("settings")

PARAMS = contract.TrainParams(max_rounds=4)
VARIABLE = f"{PACKAGE.upper()}_DEVICE"


@pytest.fixture
def cleaned(months: list[str], tmp_path: Path) -> list[Path]:
    return [kit_months.clean_month(Path(path), path, tmp_path).path for path in months]


# Why no GPU is used, and whether XGBoost says that it has CUDA.
FAULTS = [("this XGBoost is built without CUDA", False), ("no GPU is found", True)]


@pytest.mark.parametrize(("fault", "has_cuda"), FAULTS)
def test_without_a_gpu_auto_takes_the_cpu_and_cuda_is_refused(
    fault: str, has_cuda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xgb, "build_info", lambda: {"USE_CUDA": has_cuda})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert boosting.choose_device("auto", "memory") == ("cpu", f"Training on the CPU: {fault}")
        with pytest.raises(ValueError, match=rf"^device 'cuda': {fault}; make it 'auto'[^\n]*$"):
            boosting.choose_device("cuda", "memory")


def test_what_never_trains_on_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert boosting.choose_device("cpu", "memory")[0] == "cpu"
    with pytest.raises(ValueError, match=r"^device 'cuda': the engine 'dask' trains on its"):
        boosting.choose_device("cuda", "dask")
    monkeypatch.setattr(boosting, "make_estimator", lambda _: Ridge())
    assert boosting.choose_device("auto", "memory")[1].endswith("only XGBoost trains on a GPU")


def test_only_xgboost_is_placed() -> None:
    ridge, boosted = Ridge(), contract.make_estimator(PARAMS)
    for estimator in (ridge, boosted):
        boosting.place(estimator, "cuda")
    assert boosted.get_params()["device"] == "cuda"
    assert ridge.get_params() == Ridge().get_params()


def test_the_setting_is_one_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.Settings().device == "auto"
    monkeypatch.setenv(VARIABLE, "gpu")
    with pytest.raises(ValueError, match=rf"^{VARIABLE}: Input should be 'auto', 'cpu' or 'cuda'"):
        settings.Settings()


@pytest.mark.parametrize("engine", ["memory", "external"])
def test_a_model_of_a_gpu_predicts_on_the_cpu(
    engine: str, cleaned: list[Path], tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="No visible GPU|from GPU to CPU"):  # it asked for one
        pipeline = fitting.fit(cleaned[:2], PARAMS, engine, tmp_path, device="cuda")
    pipelines.save(pipeline, tmp_path / "pipeline.skops")
    loaded, X = pipelines.load(tmp_path / "pipeline.skops"), kit_months.read(cleaned[2:])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = loaded.predict(X)
    assert loaded[-1].get_params()["device"] == "cpu"
    config = json.loads(loaded[-1].get_booster().save_config())
    assert config["learner"]["generic_param"]["device"] == "cpu"
    # What XGBoost trained on the CPU instead is what it trains there anyway.
    on_cpu = fitting.fit(cleaned[:2], PARAMS, engine, tmp_path)
    assert np.allclose(predicted, on_cpu.predict(X), atol=1e-4)


def test_a_checkpoint_is_of_one_device(trained: Any, tmp_path: Path) -> None:
    paths = {
        fitting.fit_to_checkpoint(trained.months, PARAMS, "memory", tmp_path, device=device)
        for device in ("cpu", "cuda", "cpu")
    }
    assert len(paths) == 2


def test_parts_in_threads_give_what_the_whole_gives(
    cleaned: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = kit_months.read(cleaned[:2])
    encoder = pipelines.make_pipeline(None)[:-1]
    expected = encoder.fit_transform(X, y)
    monkeypatch.setattr(rows_in_memory, "PART_ROWS", 700)
    older = rows_in_memory._make_parts(X, y, range(2_000))
    newest = rows_in_memory._make_parts(X, y, range(2_000, len(y)))
    assert [part.first_row for part in (*older, *newest)] == [0, 700, 1400, 2000, 2700, 3400]
    means = rows_in_memory._learn(newest, rows_in_memory._learn(older))
    found = rows_in_memory._encode([*older, *newest], means.out_of_fold())
    assert np.allclose(found, expected, rtol=1e-6, equal_nan=True)
    rest = means.finish().transform(older[0].X)
    assert np.allclose(rest, encoder.transform(X[:700]), rtol=1e-6, equal_nan=True)


@pytest.mark.usefixtures("prefect_harness")
@pytest.mark.parametrize("flow", ["train", "tune"])
def test_a_flow_ends_before_a_fit_without_the_gpu_that_it_is_to_have(
    flow: str, months: list[str], state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "cuda")
    with pytest.raises(ValueError, match=r"^device 'cuda': [^\n]+$"):
        getattr(flows, flow)(months[:2], months[2])
    assert not [*(state_dir / "checkpoints").glob("pipeline*")]
