"""What the kit's tests share, besides the project's own conftest.py: months, and a store."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from .. import PACKAGE, module
from .make_months import make_month

contract = module("kit.modelling.contract")
evaluation = module("kit.modelling.evaluation")
fitting = module("kit.modelling.fitting")
kit_months = module("kit.modelling.months")
registry = module("kit.registry")
tracking = module("kit.tracking")

ROWS = 2_000


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three small months, oldest first."""
    folder = tmp_path_factory.mktemp("months")
    paths = [folder / f"trips_{month}.parquet" for month in ("2024-01", "2024-02", "2024-03")]
    for path in paths:
        pq.write_table(make_month(path.stem[-7:], ROWS), path)
    return [str(path) for path in paths]


@pytest.fixture(scope="session")
def trained(months: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small model of one month, measured on the next."""
    folder = tmp_path_factory.mktemp("trained")
    train, test = (kit_months.clean_month(Path(path), path, folder) for path in months[:2])
    params = contract.TrainParams(max_rounds=5)
    pipeline = fitting.fit_to_checkpoint([train], params, "memory", folder)
    return evaluation.evaluate(pipeline, [train], test, params)


@pytest.fixture(scope="session")
def filled(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with three versions: two whole ones, and one that was never measured."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv(f"{PACKAGE.upper()}_STATE_DIR", str(folder))
        for metrics in ({"rmse": 6.0}, {"rmse": 5.0}, {}):
            found = trained.model_copy(update={"metrics": metrics})
            registry.register(tracking.log_training(found, {}))
    return folder


@pytest.fixture
def store(filled: Path, state_dir: Path) -> Path:
    """The three versions, in the test's own state folder: a store survives a move."""
    return Path(shutil.copytree(filled, state_dir))
