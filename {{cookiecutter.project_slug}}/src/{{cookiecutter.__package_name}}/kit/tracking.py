"""MLflow's runs: what is logged of a training, and where it is kept."""

import json
import logging
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..settings import Settings
from .files import refuse_edited_code
from .project import PROJECT, commit_tags
from .records import JUDGEMENTS, Evaluation, Inspection, Month

if TYPE_CHECKING:
    from mlflow import MlflowClient

# So begin the names of the metrics that say what was found in a month.
FOUND = "monitor/"


def connect() -> "MlflowClient":
    """Return a client of the store that Settings name. Raises OSError if it cannot be used."""
    settings = Settings()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    client = _client(settings.tracking_uri)
    experiment_id(client)
    return client


@lru_cache(maxsize=1)
def _client(uri: str) -> "MlflowClient":
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It warns that uv's environments have no pip.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    # What it says with a traceback, it raises as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)  # whatever MLFLOW_REGISTRY_URI says
    try:
        return mlflow.MlflowClient(uri, uri)
    except ImportError as error:
        raise ValueError(f"{uri}: {error}; add that driver with `uv add`") from error


def experiment_id(client: "MlflowClient") -> str:
    """Return the id of the project's experiment, which is made if it is not there."""
    from mlflow.exceptions import MlflowException

    uri = str(client.tracking_uri)
    try:
        found = client.get_experiment_by_name(PROJECT)
        if found:
            return str(found.experiment_id)
        # Without a server too the store names no folder, so that the project may be moved.
        location = None if uri.startswith("http") else f"mlflow-artifacts:/{PROJECT}"
        return str(client.create_experiment(PROJECT, location))
    except MlflowException as error:
        reason = str(error).split("\n")[0]
        raise OSError(
            f"{uri}: MLflow cannot be used ({reason}); look at its server or its disk"
        ) from error


def log_training(found: Evaluation, tags: dict[str, str]) -> str:
    """Log all of a training to a new MLflow run, and return its id."""
    import mlflow

    from . import drift, model_logging, plots
    from .modelling import evaluation, months, pipeline

    refuse_edited_code()
    client, example = connect(), months.read([found.test.path])[0].head(5)
    times, actual, predicted, _ = evaluation.read_predictions(found.predictions)
    metrics = {f"test_{name}": value for name, value in found.metrics.items()}
    metrics |= {f"baseline_{name}": value for name, value in found.baseline.items()}
    reference = drift.make_reference([month.path for month in found.months], predicted)
    tags = tags | commit_tags()
    name = tags.get("prefect.flow_run_name")
    with mlflow.start_run(experiment_id=experiment_id(client), run_name=name, tags=tags) as run:
        run_id = str(run.info.run_id)
        log_values(client, run_id, found.params, metrics)
        _log_datasets(client, run_id, {"train": found.months, "test": [found.test]})
        mlflow.log_dict(reference.model_dump(), drift.REFERENCE)
        figures = plots.training_plots(times, actual, predicted, found.importance)
        for name, figure in figures.items():
            mlflow.log_figure(figure, f"plots/{name}.png")
        model_logging.log(pipeline.load(found.pipeline), example)
    return run_id


def log_values(
    client: "MlflowClient",
    run_id: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    step: int = 0,
) -> None:
    """Log params and metrics to an MLflow run, all at once."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, step) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
    )


def log_findings(run_id: str, seen: Inspection) -> dict[str, list[float]]:
    """Log what was found in a month to an MLflow run: metrics with the period as their step.

    Returns the values of each finding in all months so far, in the order of the periods.
    """
    client = connect()
    # MLflow takes few signs in the name of a metric.
    names = {name: FOUND + re.sub(r"[^\w. -]", "_", name) for name in seen.findings}
    values = {names[name]: finding.value for name, finding in seen.findings.items()}
    values[f"{FOUND}verdict"] = JUDGEMENTS.index(seen.verdict)
    log_values(client, run_id, {}, values, step_of(seen.period))
    return {name: [*series(client, run_id, metric).values()] for name, metric in names.items()}


def series(client: "MlflowClient", run_id: str, metric: str) -> dict[int, float]:
    """Return the last value of a metric at each step, in the order of the steps."""
    found = sorted(client.get_metric_history(run_id, metric), key=lambda m: (m.step, m.timestamp))
    return {m.step: float(m.value) for m in found}


def step_of(period: str) -> int:
    """Return a period as a step of metrics: of a month yyyymm, of a week yyyyww."""
    return int(re.sub(r"\D", "", period))


def _log_datasets(client: "MlflowClient", run_id: str, datasets: Mapping[str, list[Month]]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(month.period, month.digest, "local", json.dumps({"uri": month.source})),
            [InputTag("mlflow.data.context", context)],
        )
        for context, months in datasets.items()
        for month in months
    ]
    client.log_inputs(run_id, inputs)
