"""A model is run by the code that it was logged with, and says which packages that needs."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .. import PACKAGE, ROOT, module

kit_months = module("kit.modelling.months")
model_logging = module("kit.model_logging")
registry = module("kit.registry")
saved_model = module("kit.saved_model")
CODE = module("kit.files").CODE


@pytest.fixture
def inputs(trained: Any) -> Any:
    """Inputs of the test month."""
    return kit_months.read([trained.test.path])[0]


def edit_since(store: Path, old: str, new: str) -> list[Path]:
    """Make it look as if features.py and so today's code had been edited since, and say where."""
    files = [*store.rglob("features.py")]
    for file in files:
        file.write_text(file.read_text().replace(old, new))
    for logged in store.rglob("MLmodel"):
        logged.write_text(logged.read_text().replace(f"code: {CODE}", "code: that of then"))
    return files


def test_a_model_keeps_the_code_it_was_logged_with(
    store: Path, inputs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "src")  # where Python would find today's code
    with registry.load(1) as model:
        today, distance = model.predict(inputs), model.features(inputs)["distance"]
        assert saved_model.is_here(model)
    edit_since(store, "(miles > 0)", "(miles > 2)")
    with registry.load(1) as model:
        then = [model.predict(inputs[:700]), model.predict(inputs[700:])]
        found = model.features(inputs)["distance"]
        assert found.equals(distance.where(distance > 2))
    assert not saved_model.is_here(model)
    shorter = (inputs["trip_distance"] <= 2).to_numpy()
    differs = pd.concat([pd.Series(part) for part in then]).to_numpy() != today
    assert differs[shorter].mean() > 0.5
    assert not differs[~shorter].any()


def test_code_that_no_longer_runs_is_named(store: Path, inputs: pd.DataFrame) -> None:
    files = edit_since(store, 'trips["trip_distance"]', 'trips["km"]')
    message = r"^version 1: fails with the code that it was logged with \(KeyError: 'km'\)"
    with registry.load(1) as model, pytest.raises(ValueError, match=message):
        model.predict(inputs)
    for file in files:
        file.unlink()
    message = r"^version 2: .*ImportError: cannot import name 'features'"
    with pytest.raises(ValueError, match=message), registry.load(2):
        pass


def test_code_that_a_user_added_is_logged_with_the_model(store: Path, inputs: pd.DataFrame) -> None:
    for file in edit_since(store, "(miles > 0)", "(miles > MPH)"):
        text = file.read_text().replace("import numpy", "from .speeds import MPH\nimport numpy", 1)
        file.write_text(text)
        file.with_name("speeds.py").write_text("MPH = 2\n")
    with registry.load(1) as model:
        assert not saved_model.is_here(model)
        assert (model.features(inputs)["distance"].dropna() > 2).all()


def test_all_code_is_logged_with_the_model(store: Path) -> None:
    """All, as a user's code and data may be read in ways that no finder of imports sees."""
    [code, *_] = store.rglob("code")
    logged, here = code / PACKAGE, ROOT / "src" / PACKAGE
    expected = {path.relative_to(here) for path in here.rglob("*.py")}
    assert {path.relative_to(logged) for path in logged.rglob("*.py")} == expected
    assert CODE in (code.parent / "MLmodel").read_text()


def test_a_model_of_todays_code_needs_nothing_but_its_file(
    store: Path, inputs: pd.DataFrame
) -> None:
    with registry.load(1) as model:
        expected = model.predict(inputs)
    for code in store.rglob("code"):
        shutil.rmtree(code)
    with registry.load(1) as model:
        assert (model.predict(inputs) == expected).all()


PREDICT = """
import re, sys
from importlib import import_module, metadata
from pathlib import Path
import pandas as pd
package, model, rows, *allowed = sys.argv[1:]
providers = metadata.packages_distributions()

class Allowed:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        found = {re.sub(r"[-_.]+", "-", one).lower() for one in providers.get(top, [])}
        if found and not found & {*allowed} and top != package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Allowed())
pipeline = import_module(f"{package}.kit.modelling.pipeline")
print(len(pipeline.load(Path(model)).predict(pd.read_parquet(rows))))
"""


def distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: set[str]) -> set[str]:
    """Return packages and all that they need."""
    found, new = set[str](), {distribution(name) for name in names}
    while new:
        found |= new
        needed: set[str] = set()
        for name in new:
            with suppress(PackageNotFoundError):  # of another platform
                lines = [line for line in requires(name) or [] if "extra ==" not in line]
                needed |= {distribution(re.split(r"[^\w.-]", line)[0]) for line in lines}
        new = needed - found
    return found


def test_a_logged_model_names_the_packages_it_needs(
    store: Path, inputs: pd.DataFrame, tmp_path: Path
) -> None:
    folder = next(store.rglob("model.skops")).parent
    lines = (folder / "requirements.txt").read_text().splitlines()
    named = {name for name, _, version in (line.partition("==") for line in lines) if version}
    assert {"pandas", "numpy", "scikit-learn", "skops", "pyarrow", "pydantic"} <= named
    assert any(name.startswith("xgboost") for name in named)
    assert not named & {"prefect", "optuna", "dask", "pytest"}

    # It predicts with these alone, and without MLflow, which names itself.
    rows = tmp_path / "rows.parquet"
    inputs[:5].to_parquet(rows)
    for missing, code in {"": 0, "skops": 1}.items():
        allowed = with_dependencies(named - {"mlflow", missing})
        arguments = [PACKAGE, str(folder / "model.skops"), str(rows), *allowed]
        done = subprocess.run(
            [sys.executable, "-P", "-c", PREDICT, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(folder / "code")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
    assert "No module named 'skops'" in done.stderr


def test_requirements_follow_the_imports(tmp_path: Path) -> None:
    package = tmp_path / PACKAGE
    shutil.copytree(ROOT / "src" / PACKAGE, package)
    before = model_logging.requirements(package)
    with (package / "features.py").open("a") as file:
        file.write("\n\ndef holidays():\n    import yaml\n")
    (package / "flows" / "training.py").write_text("import cyclopts\n")
    (package / "draft.py").write_text("import (\n")
    (package / "old.py").write_bytes("# -*- coding: latin-1 -*-\n# é\n".encode("latin-1"))
    assert {*model_logging.requirements(package)} - {*before} == {f"PyYAML=={version('PyYAML')}"}
