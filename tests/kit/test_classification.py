"""Classes instead of a number: the project's own tests, unedited, and every engine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .. import PACKAGE, ROOT

DATA = """

regression = clean
TARGET = "kind"


def clean(trips: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    rows, bad = regression(trips)
    return rows.assign(kind=pd.cut(rows["duration"], {edges}, labels={classes})), bad
"""
MODEL = """

from .kit.modelling.classification import Classification

PROBLEM = Classification(classes={classes})
regression = make_estimator


def make_estimator(params: TrainParams) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(**regression(params).get_params() | {{"objective": None}})
"""
KINDS: dict[int, tuple[list[float], list[str]]] = {
    2: ([0, 15, 1e9], ["short", "long"]),
    3: ([0, 8, 20, 1e9], ["short", "middling", "long"]),
}


def copy_of_project(folder: Path, classes: int) -> Path:
    """Copy the project, and make its target one of two or three classes."""
    copy, (edges, names) = folder / "project", KINDS[classes]
    ignored = shutil.ignore_patterns(
        *(".venv", ".git", "__pycache__", "mlartifacts", "checkpoints", "mlflow.db*")
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    package = copy / "src" / PACKAGE
    for name, text in {
        "data.py": DATA.format(edges=edges, classes=names),
        "model.py": MODEL.format(classes=names),
        "features.py": '\nPER = None\nGROUPS = ("pickup", "dropoff")\n' if classes > 2 else "",
    }.items():
        with (package / name).open("a") as file:
            file.write(text)
    return copy


def run(copy: Path, *command: str) -> str:
    """Run Python in a copy of the project, with its own code."""
    env = os.environ | {"PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_projects_own_tests_pass_unedited(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path, classes=3)
    out = run(copy, "-m", "pytest", "-q", "tests/test_your_data.py", "tests/test_flows.py")
    assert " passed" in out
    assert "skipped" not in out


ENGINES = """
import json, shutil, sys
from pathlib import Path
from mlflow.models import Model
from PACKAGE.kit import plots, saved_model
from PACKAGE.kit.modelling import fitting, months, pipeline
from PACKAGE.kit.modelling.contract import PROBLEM, TrainParams

folder = Path(sys.argv[1])
*train, test = [
    months.clean_month(raw, raw.name, folder).path for raw in sorted(Path("data").glob("*.parquet"))
]
X, y = months.read([test])
actual, found = y.to_numpy(), {}
for engine in ("memory", "external"):
    fitted = fitting.fit(train, TrainParams(max_rounds=10, max_depth=6), engine, folder / engine)
    pipeline.save(fitted, folder / "model.skops")
    fitted = pipeline.load(folder / "model.skops")
    predicted = PROBLEM.predict(fitted, X)
    found[engine] = PROBLEM.metrics(actual, predicted)
    assert predicted.shape == (len(X), len(PROBLEM.classes))
    assert abs(predicted.sum(axis=1) - 1).max() < 1e-5
    importance = pipeline.importance(fitted, X, actual)
    drawn = plots.training_plots(X.iloc[:, 0], actual, predicted, importance)
    assert {*drawn} == {"roc", "precision_recall", "calibration", "importance"}

# By the code that it was logged with, which is not today's.
shutil.copytree("src/PACKAGE", folder / "code" / "PACKAGE")
Model(metadata={"code": "that of then"}).save(folder / "MLmodel")
with saved_model.load(str(folder), "version 1") as model:
    assert not saved_model.is_here(model)
    assert abs(model.predict(X) - predicted).max() < 1e-6
print(json.dumps(found))
"""


@pytest.mark.parametrize("classes", KINDS)
def test_engines_are_as_good_as_each_other(classes: int, tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path, classes)
    out = run(copy, "-c", ENGINES.replace("PACKAGE", PACKAGE), str(tmp_path))
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    for name, value in found["memory"].items():
        assert found["external"][name] == pytest.approx(value, rel=0.02)
    assert found["memory"]["roc_auc"] > 0.9
