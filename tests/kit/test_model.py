"""The pipeline: from raw rows to predictions, and its file."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .. import module

boosting = module("kit.modelling.boosting")
classification = module("kit.modelling.classification")
contract = module("kit.modelling.contract")
fitting = module("kit.modelling.fitting")
kit_months = module("kit.modelling.months")
pipelines = module("kit.modelling.pipeline")
plots = module("kit.plots")

PROBLEM = contract.PROBLEM


def cleaned(months: list[str], folder: Path) -> list[Path]:
    return [kit_months.clean_month(Path(path), path, folder).path for path in months]


def test_a_pipeline_takes_raw_rows_and_survives_a_file(months: list[str], tmp_path: Path) -> None:
    paths = cleaned(months, tmp_path)
    pipeline = fitting.fit(paths[:2], contract.TrainParams(max_rounds=40))
    X, y = kit_months.read(paths[2:])
    actual, predicted = y.to_numpy(), pipeline.predict(X)
    learnt = kit_months.read(paths[:2])[1].to_numpy()
    baseline = PROBLEM.baseline([learnt], len(y))
    assert baseline == pytest.approx(learnt.mean())
    errors = [PROBLEM.metrics(actual, found)["rmse"] for found in (predicted, baseline)]
    assert errors[0] < 0.7 * errors[1]
    importance = pipelines.importance(pipeline, X, actual)
    assert sum(importance.values()) == pytest.approx(1, abs=1e-5)
    assert {"distance", "pickup_mean", "pickup_per"} <= importance.keys()
    pipelines.save(pipeline, tmp_path / "pipeline.skops")
    assert (pipelines.load(tmp_path / "pipeline.skops").predict(X) == predicted).all()


def test_rounds_are_chosen_on_the_newest_rows(months: list[str], tmp_path: Path) -> None:
    """They end where the newest rows have nothing to learn, which older ones always have."""
    X, y = kit_months.read(cleaned(months[:1], tmp_path))
    noise = y.sample(frac=1, random_state=0).reset_index(drop=True)
    fitted = fitting.fit_rows(X, noise, contract.TrainParams(max_rounds=100))
    assert fitted["estimator"].n_estimators < 60
    assert boosting.rounds_for_all(9, 500) == 22, "twice as slow, and a tenth more"
    assert boosting.rounds_for_all(9, 20) == 20


def test_the_baseline_is_what_was_learnt_from(trained: Any) -> None:
    learnt, actual = (kit_months.read([m.path])[1] for m in (*trained.months, trained.test))
    expected = np.sqrt(np.mean((actual - learnt.mean()) ** 2))
    assert trained.baseline["rmse"] == pytest.approx(expected, rel=1e-9)


def test_unknown_zones_and_missing_values_are_predicted(months: list[str], tmp_path: Path) -> None:
    paths = cleaned(months[:1], tmp_path)
    pipeline = fitting.fit(paths, contract.TrainParams(max_rounds=5))
    rows = kit_months.read(paths)[0][:3]
    rows = rows.assign(PULocationID=[9999, -1, 1], trip_distance=np.nan, trip_type=np.nan)
    assert np.isfinite(pipeline.predict(rows)).all()


def test_features_whose_names_are_long_have_a_bar_each() -> None:
    y, importance = np.arange(10.0), {f"{'long_' * 20}{i}": 0.5 for i in range(2)}
    [axes] = plots.training_plots(None, y, y, importance)["importance"].axes
    assert sorted(bar.get_width() for bar in axes.patches) == [50, 50]
    assert len({label.get_text() for label in axes.get_yticklabels()}) == len(importance)


def test_classes_with_long_names_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"a kind of trip whose name is rather long, number {i}" for i in range(30))
    monkeypatch.setattr(plots, "PROBLEM", classification.Classification(classes=names))
    actual = np.arange(300) % 30
    predicted = np.random.default_rng(0).dirichlet(np.ones(30), 300)
    for name, figure in plots.training_plots(None, actual, predicted, {"distance": 1.0}).items():
        if name != "importance":
            legend = figure.axes[0].get_legend()
            texts = [text.get_text() for text in legend.get_texts()]
            assert len({*texts}) == 8, name
            assert max(map(len, texts)) < 30
            assert legend.get_title().get_text() == "8 of 30 classes"


def test_what_cannot_be_saved_or_used_is_refused_before_the_fit(
    months: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from xgboost import XGBClassifier, XGBRegressor

    nowhere, params = [Path("/nowhere")], contract.TrainParams()
    monkeypatch.setattr(fitting, "make_estimator", lambda _: XGBClassifier())
    with pytest.raises(ValueError, match="makes a XGBClassifier, which is not for a Regression;"):
        fitting.fit(nowhere, params)
    monkeypatch.setattr(fitting, "make_estimator", lambda _: XGBRegressor())
    trusted = [name for name in pipelines.TRUSTED if "xgboost" not in name]
    with monkeypatch.context() as patch:
        patch.setattr(pipelines, "TRUSTED", trusted)
        with pytest.raises(
            ValueError, match=r'TRUSTED_TYPES = \["xgboost\.sklearn\.XGBRegressor"\]'
        ):
            fitting.fit(nowhere, params)
    # A function of a package that has nothing to do with the estimator's.
    scaled = make_pipeline(FunctionTransformer(copy.copy), XGBRegressor())
    monkeypatch.setattr(fitting, "make_estimator", lambda _: scaled)
    advice = r'^model\.py: the estimator holds types .*: TRUSTED_TYPES = \["copy\.copy"\]$'
    with pytest.raises(ValueError, match=advice):
        pipelines.refuse_untrusted(pipelines.make_pipeline(scaled))
    with pytest.raises(ValueError, match=advice):
        fitting.fit(cleaned(months, tmp_path)[:1], params)
    monkeypatch.setattr(pipelines, "TRUSTED", [*pipelines.TRUSTED, "copy.copy"])
    pipelines.refuse_untrusted(pipelines.make_pipeline(scaled))


def test_any_estimator_of_scikit_learns_kind_is_fitted(
    months: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    def make(_: Any) -> Any:
        return HistGradientBoostingRegressor(max_iter=20, random_state=0)

    monkeypatch.setattr(fitting, "make_estimator", make)
    paths = cleaned(months, tmp_path)
    with pytest.raises(ValueError, match=r"^model\.py: the estimator holds types") as refused:
        fitting.fit(paths[:1], contract.TrainParams())
    named = re.findall(r'"([^"]+)"', str(refused.value))
    monkeypatch.setattr(pipelines, "TRUSTED", [*pipelines.TRUSTED, *named])
    pipeline = fitting.fit(paths[:1], contract.TrainParams())
    X, y = kit_months.read(paths[1:2])
    importance = pipelines.importance(pipeline, X, y.to_numpy())
    assert sum(importance.values()) == pytest.approx(1, abs=1e-5)
    assert max(importance, key=lambda name: importance[name]) == "distance"
    pipelines.save(pipeline, tmp_path / "pipeline.skops")
    loaded = pipelines.load(tmp_path / "pipeline.skops")
    assert (loaded.predict(X) == pipeline.predict(X)).all()
