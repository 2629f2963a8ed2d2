"""Other estimators in model.py: each is trained, compared with XGBoost, promoted, used, undone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject
from .test_own_data import code_under, edit

pytestmark = pytest.mark.slow

# In one process, as Prefect and MLflow take most of the time.
USE = """
import json, sys
from pathlib import Path
from {package} import flows
from {package}.kit import promotions, registry
from {package}.kit.modelling import months
from {package}.kit.modelling.contract import INPUTS

def main():
    trained = flows.train()
    flows.promote(trained.model_version, "to try another estimator", by="ada")
    [scores] = flows.score().months
    with registry.load(registry.the_champion().version) as model:
        import pandas as pd
        rows = pd.read_parquet(scores.path)[:3]
        served = model.predict(rows[INPUTS.names])
    assert abs(served - rows["prediction"]).max() < 1e-4
    flows.promote(1, "back to XGBoost", by="ada")
    [back] = flows.score().months
    told = dict(reason=trained.reason, metrics=trained.metrics, version=trained.model_version,
                scored=scores.scored, back=back.scored, champion=registry.the_champion().version)
    Path(sys.argv[1]).write_text(json.dumps(told))

main()
"""
PARAMS = '''
SEARCH_SPACE: dict[str, tuple[float, float]] = {}
LOG_SCALE: set[str] = set()


class TrainParams(BaseModel, extra="forbid"):
    """Params of the estimator."""

    alpha: float = Field(default=1.0, gt=0, description="Penalty of a linear model")
'''
MAKE = '''

def make_estimator(params: TrainParams) -> Any:
    """Make the estimator, not fitted yet."""
    {imports}

    return {estimator}
'''
SKLEARN = {
    "HistGradientBoosting": (
        "from sklearn.ensemble import HistGradientBoostingRegressor",
        "HistGradientBoostingRegressor(max_iter=30)",
    ),
    "RandomForest": (
        "from sklearn.ensemble import RandomForestRegressor",
        "RandomForestRegressor(n_estimators=20, min_samples_leaf=10, n_jobs=-1)",
    ),
    "Ridge": (
        "from sklearn.impute import SimpleImputer\n"
        "    from sklearn.linear_model import Ridge\n"
        "    from sklearn.pipeline import make_pipeline\n"
        "    from sklearn.preprocessing import StandardScaler",
        "make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=params.alpha))",
    ),
}


def definitions_for(name: str, readme: str) -> str:
    """Return what model.py needs for an estimator: LightGBM's and Ridge's as the README has it."""
    if name == "LightGBM":
        found = re.findall(r"here LightGBM,.*?```python\n(.*?)```", readme, re.DOTALL)
        return str(found[0])
    imports, estimator = SKLEARN[name]
    if name == "Ridge":
        assert f"`{estimator}`" in readme
    return PARAMS + MAKE.format(imports=imports, estimator=estimator)


def use(project: BakedProject, folder: Path) -> dict[str, Any]:
    """Run the walk; what a model may hold is added as TRUSTED_TYPES if the training names it."""
    script, told = folder / "use.py", folder / "told.json"
    script.write_text(USE.format(package=project.package))
    command = ("uv", "run", "python", str(script), str(told))
    done = project.run(*command, check=False)
    if named := re.search(r"^.*(TRUSTED_TYPES = \[.*\])$", done.stderr, re.MULTILINE):
        with (project.path / "src" / project.package / "model.py").open("a") as file:
            file.write(f"\n{named[1]}\n")
        done = project.run(*command)
    assert not done.returncode, done.stderr
    return dict(json.loads(told.read_text()))


def test_other_estimators_are_trained_compared_used_and_undone(
    fresh: BakedProject, tmp_path: Path
) -> None:
    readme = (fresh.path / "README.md").read_text()
    fresh.run("uv", "run", "poe", "train", "--params.max-rounds", "60")
    fresh.run("uv", "add", "--quiet", "lightgbm")
    version = 1
    for name in ("LightGBM", *SKLEARN):
        model = fresh.path / "src" / fresh.package / "model.py"
        fresh.run("git", "checkout", "--quiet", "HEAD", "--", str(model), check=False)
        new = definitions_for(name, readme)
        named = {"TrainParams", "SEARCH_SPACE", "LOG_SCALE", "make_estimator"}
        edit(model, new, named, leave_the_rest=True)
        told = use(fresh, tmp_path)
        version += 1
        assert told["version"] == version
        assert "version 1 (champion)" in told["reason"], name
        assert told["metrics"]["rmse"] < 9, name
        assert told["scored"] == told["back"] > 9_000
        assert told["champion"] == 1
    assert code_under("A number", readme), "the README's other blocks stay where they are"
