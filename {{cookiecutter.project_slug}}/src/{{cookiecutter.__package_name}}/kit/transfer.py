"""A version of the model, from one MLflow store to another: as a folder in between."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import registry, runs
from .files import replacing
from .project import PROJECT
from .tracking import FOUND, connect, experiment_id, log_values

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

ABOUT, MODEL, RUN = "version.json", "model", "run"


def export(folder: Path, version: int | None = None) -> None:
    """Write a version to a new folder: its model, metrics, params, data and plots.

    Args:
        folder: Where to; it must not be there yet.
        version: Number of the version; by default the champion.
    """
    import mlflow

    if folder.exists():
        raise ValueError(f"{folder}: is there already; name a new folder")
    version = version or registry.the_champion().version
    found = [v for v in registry.versions() if int(v.version) == version]
    run = runs.find_run(str(found[0].run_id)) if found else None
    if not run:
        raise ValueError(f"version {version} of {PROJECT}: it or its MLflow run is not there")
    about = run.to_dictionary()
    told = {"project": PROJECT, "version": version, **about["data"], **about["inputs"]}
    download = mlflow.artifacts.download_artifacts
    with replacing(folder) as temporary:
        download(f"models:/{PROJECT}/{version}", dst_path=str(temporary / MODEL))
        download(run_id=run.info.run_id, dst_path=str(temporary / RUN))
        (temporary / ABOUT).write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(f"Version {version} of {PROJECT} is in {folder}")


def import_version(folder: Path) -> None:
    """Make a version of what `export` wrote; `promote` makes it the champion.

    Args:
        folder: What `export` wrote.
    """
    from mlflow.entities import LoggedModelOutput

    try:
        told = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder}: holds no exported version ({error})") from error
    if told["project"] != PROJECT:
        raise ValueError(f"{folder}: holds a version of {told['project']}, not of {PROJECT}")
    client = connect()
    tags = told["tags"] | {"imported_from": f"version {told['version']}"}
    run_id = client.create_run(experiment_id(client), tags=tags).info.run_id
    measured = {n: value for n, value in told["metrics"].items() if not n.startswith(FOUND)}
    log_values(client, run_id, told["params"], measured)
    client.log_inputs(run_id, [_dataset(given) for given in told["dataset_inputs"]])
    client.log_artifacts(run_id, str(folder / RUN))
    model = client.create_logged_model(experiment_id(client), MODEL, run_id)
    client.log_model_artifacts(model.model_id, str(folder / MODEL))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.set_terminated(run_id)
    version = registry.register(run_id)
    print(f"Version {version} of {PROJECT} is made; uv run poe promote --version {version}")


def _dataset(given: dict[str, Any]) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tags = [InputTag(key, value) for key, value in given["tags"].items()]
    return DatasetInput(Dataset(**given["dataset"]), tags)
