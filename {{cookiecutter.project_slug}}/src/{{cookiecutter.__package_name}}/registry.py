"""MLflow: its runs, and the registered model with its aliases and its audit trail."""

import getpass
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zipfile import BadZipFile

from pydantic import BaseModel

from . import isolation
from .settings import PROJECT, Settings
from .training import TRUSTED_TYPES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from mlflow.models import ModelSignature
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from sklearn.pipeline import Pipeline

    from .data import Month

CHAMPION, CHALLENGER = "champion", "challenger"
TRAIL = "promotion."
"""The registered model's tags whose names begin like this are the audit trail."""

TESTED_ON = "tested_on"
"""A version's tag, written last: a training that was cut off before is not counted."""

REQUIREMENTS = ["numpy", "pandas", "pyarrow", "pydantic", "scikit-learn", "skops"]
"""What a process needs to load the model, beside XGBoost."""


# Prefect tries again, and MLflow's own way of it takes four minutes to say that a server is away.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
# A model is small: the bar would only fill the logs.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class Champion(BaseModel):
    """The version of the registered model that is in use."""

    version: int
    run_id: str
    metrics: dict[str, float]


class Promotion(BaseModel):
    """An entry of the audit trail: who made which version the champion, when and why."""

    version: int
    previous: int | None
    by: str
    reason: str
    at: datetime


class Registry:
    """The MLflow store that Settings name."""

    def __init__(self, settings: Settings) -> None:
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # It warns that uv's environments have no pip.
        logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
        # What it tells with a traceback, it raises as well.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.uri = settings.tracking_uri
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)  # whatever MLFLOW_REGISTRY_URI says
        try:
            self.client = mlflow.MlflowClient(self.uri, self.uri)
        except ImportError as error:
            raise ValueError(f"{self.uri}: {error}; add that driver with `uv add`") from error
        self._check_store()

    def log(
        self,
        pipeline: "Pipeline",
        example: "pd.DataFrame",
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        documents: Mapping[str, Mapping[str, Any]],
        figures: Mapping[str, "Figure"],
        datasets: Mapping[str, "list[Month]"],
    ) -> str:
        """Log all of a training to a new MLflow run, and return its id."""
        import mlflow

        with mlflow.start_run(experiment_id=self.experiment_id(), tags=dict(tags)) as run:
            run_id = str(run.info.run_id)
            self.log_values(run_id, params, metrics)
            self._log_datasets(run_id, datasets)
            for name, document in documents.items():
                mlflow.log_dict(dict(document), name)
            for name, figure in figures.items():
                mlflow.log_figure(figure, f"plots/{name}.png")
            mlflow.sklearn.log_model(
                pipeline,
                name="model",
                signature=_signature(example),
                input_example=example,
                pip_requirements=_requirements(),
                code_paths=[str(Path(__file__).parent)],
                skops_trusted_types=TRUSTED_TYPES,
            )
        return run_id

    def register(self, run_id: str) -> int:
        """Make the model of an MLflow run the newest version, with the alias challenger."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(PROJECT)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        outputs = self.client.get_run(run_id).outputs
        if not outputs:
            raise ValueError(f"MLflow run {run_id}: holds no model; train again")
        model = outputs.model_outputs[0].model_id
        made = self.client.create_model_version(PROJECT, f"models:/{model}", run_id, model_id=model)
        self.client.set_registered_model_alias(PROJECT, CHALLENGER, made.version)
        return int(made.version)

    def champion(self) -> Champion | None:
        """The version with the alias champion, or None."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version_by_alias(PROJECT, CHAMPION)
        except MlflowException as error:
            # A model without the alias answers the one, a missing model the other.
            if error.error_code in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}:
                return None
            raise
        run = self.client.get_run(str(found.run_id))
        return Champion(
            version=int(found.version), run_id=run.info.run_id, metrics=run.data.metrics
        )

    @contextmanager
    def load(self, version: int) -> Iterator[isolation.Model]:
        """The model of a version, run by the code that it was logged with."""
        import mlflow

        with tempfile.TemporaryDirectory() as folder:
            uri = f"models:/{PROJECT}/{version}"
            mlflow.artifacts.download_artifacts(uri, dst_path=folder)
            with isolation.load(Path(folder), f"version {version}") as model:
                yield model

    def promote(self, version: int, reason: str, by: str) -> Promotion:
        """Move the alias champion to a version, newer or older, and write it in the audit trail.

        Raises ValueError if the version is not there, or is not whole.
        """
        self._check(version)
        champion = self.champion()
        entry = Promotion(
            version=version,
            previous=champion.version if champion else None,
            by=by,
            reason=reason,
            at=datetime.now(UTC),
        )
        if version != entry.previous:
            self._write(entry)
            self.client.set_registered_model_alias(PROJECT, CHAMPION, str(version))
        return entry

    def promotions(self) -> list[Promotion]:
        """The audit trail: all promotions and rollbacks, oldest first."""
        tags = self.client.get_registered_model(PROJECT).tags
        trail = [text for name, text in sorted(tags.items()) if name.startswith(TRAIL)]
        return [Promotion.model_validate_json(text) for text in trail]

    def set_verdict(self, version: int, verdict: str, digest: str) -> None:
        """Write on a version what came of its comparison, on the month with this digest."""
        for tag, value in {"verdict": verdict, TESTED_ON: digest}.items():
            self.client.set_model_version_tag(PROJECT, str(version), tag, value)

    def tested_on(self, digest: str) -> int | None:
        """The newest version that was compared on the month with this digest."""
        found = self.client.search_model_versions(
            f"name='{PROJECT}' AND tags.{TESTED_ON} = '{digest}'",
            max_results=1,
            order_by=["version_number DESC"],
        )
        return int(found[0].version) if found else None

    def document(self, run_id: str, name: str) -> dict[str, Any]:
        """A JSON document that was logged to an MLflow run."""
        import mlflow

        if name not in {file.path for file in self.client.list_artifacts(run_id)}:
            raise ValueError(f"MLflow run {run_id}: holds no {name}; train again")
        return dict(mlflow.artifacts.load_dict(f"runs:/{run_id}/{name}"))

    def run_url(self, run_id: str) -> str | None:
        """Address of an MLflow run's page, or None without an MLflow server."""
        if not self.uri.startswith("http"):
            return None
        experiment = self.client.get_run(run_id).info.experiment_id
        return f"{self.uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"

    def _check(self, version: int) -> None:
        """Raise ValueError unless a version has a test error, and loads."""
        from mlflow.exceptions import MlflowException

        name = f"version {version} of {PROJECT}"
        try:
            found = self.client.get_model_version(PROJECT, str(version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise ValueError(f"{name}: is not there; look at the versions in MLflow") from None
        if "test_rmse" not in self.client.get_run(str(found.run_id)).data.metrics:
            raise ValueError(f"{name}: has no test_rmse; promote another one, or train again")
        try:
            with self.load(version):
                pass
        except (MlflowException, OSError, BadZipFile) as error:
            raise ValueError(
                f"{name}: does not load ({error}); promote another one, or train again"
            ) from error

    def _write(self, entry: Promotion) -> None:
        # One tag each, so that no entry takes another's place.
        moment = f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ}"
        if not any(_is_retry(entry, last) for last in self.promotions()[-1:]):
            self.client.set_registered_model_tag(PROJECT, TRAIL + moment, entry.model_dump_json())
        for tag, value in {"at": moment, "by": entry.by, "because": entry.reason}.items():
            self.client.set_model_version_tag(PROJECT, str(entry.version), f"promoted_{tag}", value)

    def _check_store(self) -> None:
        """Raise OSError unless the store can be used."""
        from mlflow.exceptions import MlflowException

        try:
            self.experiment_id()
        except MlflowException as error:
            reason = str(error).split("\n")[0]
            raise OSError(
                f"{self.uri}: MLflow cannot be used ({reason}); look at its server or its disk"
            ) from error

    def experiment_id(self) -> str:
        """Id of the project's experiment, which is made if it is not there."""
        found = self.client.get_experiment_by_name(PROJECT)
        if found:
            return str(found.experiment_id)
        # Without a server too the store names no folder, so that the project may be moved.
        location = None if self.uri.startswith("http") else f"mlflow-artifacts:/{PROJECT}"
        return str(self.client.create_experiment(PROJECT, location))

    def log_values(
        self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]
    ) -> None:
        """Log params and metrics to an MLflow run, all at once."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
        )

    def _log_datasets(self, run_id: str, datasets: Mapping[str, "list[Month]"]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(month.period, month.digest, "local", json.dumps({"uri": month.source})),
                [InputTag("mlflow.data.context", context)],
            )
            for context, months in datasets.items()
            for month in months
        ]
        self.client.log_inputs(run_id, inputs)


def promote(version: int, reason: str = "by hand") -> None:
    """Make a version the champion: a newer one, or an older one again (rollback).

    Args:
        version: Number of the version in MLflow.
        reason: Why; kept in the audit trail, with your name and the time.
    """
    try:
        by = getpass.getuser()
    except (KeyError, OSError):
        by = "unknown"  # in a container, whose user need not have a name
    entry = Registry(Settings()).promote(version, reason, by)
    was = f"version {entry.previous}" if entry.previous else "none"
    print(f"The champion of {PROJECT} is version {version} (it was {was})")


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> "ArtifactRepository":
    """Resolve mlflow-artifacts: URIs also where there is no server, beside the SQLite file.

    An entry point in pyproject.toml makes it MLflow's own way of reading them, so that one store
    serves `mlflow server` and processes without a server, and survives a move of its folder.
    """
    from mlflow import get_tracking_uri
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    uri = tracking_uri or registry_uri or get_tracking_uri()
    if not uri.startswith("sqlite:///"):
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    folder = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts"
    return LocalArtifactRepository(str(folder / urlsplit(artifact_uri).path.lstrip("/")))


def _is_retry(entry: Promotion, last: Promotion) -> bool:
    """Whether an entry is the last one again, which was cut off before the alias was moved."""
    same = entry == last.model_copy(update={"at": entry.at})
    return same and entry.at - last.at < timedelta(minutes=10)


def _signature(example: "pd.DataFrame") -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {"i": "long", "f": "double", "M": "datetime", "O": "string"}
    columns = [ColSpec(kinds[kind.kind], str(name)) for name, kind in example.dtypes.items()]
    return ModelSignature(inputs=Schema([*columns]), outputs=Schema([ColSpec("double")]))


def _requirements() -> list[str]:
    xgboost = "xgboost-cpu" if _installed("xgboost-cpu") else "xgboost"
    return [f"{name}=={version(name)}" for name in [*REQUIREMENTS, xgboost]]


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False
