"""The registered model: its versions, and the champion among them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import saved_model
from .project import PROJECT
from .records import Champion
from .runs import find_run, if_there
from .tracking import connect

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
# A version's tag, written last: a training that was cut off before is not counted.
TESTED_ON = "tested_on"


def register(run_id: str) -> int:
    """Make the model of an MLflow run the newest version, with the alias challenger."""
    from mlflow.exceptions import MlflowException

    client = connect()
    try:
        client.create_registered_model(PROJECT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    outputs = client.get_run(run_id).outputs
    if not outputs:
        raise ValueError(f"MLflow run {run_id}: holds no model; train again")
    model = outputs.model_outputs[0].model_id
    # A retry finds what the attempt that failed has registered.
    found = versions(f"run_id = '{run_id}'")
    made = (
        found[0]
        if found
        else client.create_model_version(PROJECT, f"models:/{model}", run_id, model_id=model)
    )
    client.set_registered_model_alias(PROJECT, CHALLENGER, made.version)
    return int(made.version)


def champion() -> Champion | None:
    """Return the version with the alias champion, or None."""
    found = if_there(connect().get_model_version_by_alias, PROJECT, CHAMPION)
    if not found:
        return None
    run_id = str(found.run_id)
    return Champion(version=int(found.version), run_id=run_id, metrics=metrics_of(run_id))


def the_champion() -> Champion:
    """Return the champion; ValueError if there is none."""
    found = champion()
    if not found:
        raise ValueError(f"{PROJECT}: has no champion yet; train one: uv run poe train")
    return found


@contextmanager
def load(version: int) -> Iterator[saved_model.Model]:
    """Give the model of a version, run by the code that it was logged with."""
    connect()
    with saved_model.load(f"models:/{PROJECT}/{version}", f"version {version}") as model:
        yield model


def versions(*conditions: str) -> "list[ModelVersion]":
    """Return the versions that meet conditions, as MLflow writes them; newest first."""
    query = " AND ".join((f"name = '{PROJECT}'", *conditions))
    return list(connect().search_model_versions(query, order_by=["version_number DESC"]))


def set_verdict(version: int, verdict: str, digest: str) -> None:
    """Write on a version how its comparison ended, on the month with this digest."""
    client = connect()
    client.update_model_version(PROJECT, str(version), f"{verdict[:1].upper()}{verdict[1:]}.")
    for tag, value in {"verdict": verdict, TESTED_ON: digest}.items():
        client.set_model_version_tag(PROJECT, str(version), tag, value)


def tested_on(digest: str) -> int | None:
    """Return the newest version that was compared on the month with this digest."""
    found = versions(f"tags.{TESTED_ON} = '{digest}'")
    return int(found[0].version) if found else None


def metrics_of(run_id: str) -> dict[str, float]:
    """Return the metrics of an MLflow run; none if somebody deleted it."""
    run = find_run(run_id)
    return dict(run.data.metrics) if run else {}
