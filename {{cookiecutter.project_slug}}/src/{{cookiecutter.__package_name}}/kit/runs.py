"""What MLflow's runs say: their metrics, data and documents, and where to look at them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .records import JUDGEMENTS, Judgement
from .tracking import FOUND, connect, series, step_of

if TYPE_CHECKING:
    from mlflow.entities import Run

T = TypeVar("T")


def if_there(find: Callable[..., T], *names: str) -> T | None:
    """Return what MLflow finds by its names, or None if it is not there."""
    from mlflow.exceptions import MlflowException

    try:
        return find(*names)
    except MlflowException as error:
        # A model without the alias answers the one, whatever is missing the other.
        if error.error_code in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}:
            return None
        raise


def find_run(run_id: str) -> "Run | None":
    """Return an MLflow run, or None if somebody deleted it."""
    return if_there(connect().get_run, run_id)


def learnt_from(run_id: str) -> set[str]:
    """Return the digests of the months that an MLflow run was trained on."""
    run = find_run(run_id)
    inputs = run.inputs.dataset_inputs if run and run.inputs else []
    return {i.dataset.digest for i in inputs if any(tag.value == "train" for tag in i.tags)}


def verdict_on(run_id: str, period: str) -> Judgement | None:
    """Return the last verdict on a month in the series of an MLflow run, or None."""
    if not find_run(run_id):
        return None
    found = series(connect(), run_id, f"{FOUND}verdict").get(step_of(period))
    return None if found is None else JUDGEMENTS[int(found)]


def document(run_id: str, name: str) -> dict[str, Any]:
    """Return a JSON document that was logged to an MLflow run."""
    import mlflow

    if name not in {file.path for file in connect().list_artifacts(run_id)}:
        problem = f"MLflow run {run_id}: holds no {name}"
        raise ValueError(f"{problem}; train, and promote the new version")
    return dict(mlflow.artifacts.load_dict(f"runs:/{run_id}/{name}"))


def run_link(run_id: str) -> str:
    """Return an MLflow run's id as Markdown, with a link where a server shows it."""
    url = run_url(run_id)
    return f"[{run_id}]({url})" if url else f"`{run_id}`"


def run_url(run_id: str) -> str | None:
    """Return the address of an MLflow run's page, or None without an MLflow server."""
    client = connect()
    uri = str(client.tracking_uri)
    if not uri.startswith("http"):
        return None
    experiment = client.get_run(run_id).info.experiment_id
    return f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"
