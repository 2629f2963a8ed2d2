"""Searches for params, kept in MLflow: a run for the search, a nested run for each trial."""

import re

from .registry import Registry
from .training import TrainParams
from .tuning import Trial

SEARCH, TRIAL, PARENT = "search", "trial", "mlflow.parentRunId"
"""Tags: a search's key, a trial's number, and MLflow's own for nested runs."""


def open_search(registry: Registry, key: str) -> str:
    """Id of the MLflow run of the search with this key, which is made if it is not there."""
    experiment = registry.experiment_id()
    found = registry.client.search_runs([experiment], f"tags.{SEARCH} = '{key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    run = registry.client.create_run(experiment, tags={SEARCH: key}, run_name="tune")
    return str(run.info.run_id)


def trials_of(registry: Registry, search: str) -> list[Trial]:
    """The trials of a search that are done, in order."""
    whole = f"tags.`{PARENT}` = '{search}' AND attributes.status = 'FINISHED'"
    runs = registry.client.search_runs([registry.experiment_id()], whole)
    trials = [
        Trial(
            number=int(run.data.tags[TRIAL]),
            params=TrainParams.model_validate(run.data.params),
            rmse=run.data.metrics["rmse"],
        )
        for run in runs
    ]
    return sorted(trials, key=lambda trial: trial.number)


def log_trial(registry: Registry, search: str, trial: Trial) -> None:
    """Log a trial that is done; one that is not is never seen, as its run has no end."""
    tags = {PARENT: search, TRIAL: str(trial.number)}
    name = f"trial {trial.number}"
    run = registry.client.create_run(registry.experiment_id(), tags=tags, run_name=name)
    run_id = str(run.info.run_id)
    registry.log_values(run_id, trial.params.model_dump(), {"rmse": trial.rmse})
    registry.client.set_terminated(run_id)


def close_search(registry: Registry, search: str, name: str) -> tuple[Trial, Trial]:
    """End a search, and save the params of its best trial under a name.

    Returns the best trial and the first, which has the default params.
    """
    trials = trials_of(registry, search)
    best = min(trials, key=lambda trial: trial.rmse)
    registry.log_values(search, {}, {"rmse": best.rmse, "default_rmse": trials[0].rmse})
    registry.client.set_terminated(search)
    params = best.params.model_dump_json()
    registry.client.set_experiment_tag(registry.experiment_id(), params_tag(name), params)
    return best, trials[0]


def saved_params(registry: Registry, name: str) -> TrainParams:
    """The params that a search saved under a name. Raises ValueError if there are none."""
    tags = registry.client.get_experiment(registry.experiment_id()).tags
    if params_tag(name) not in tags:
        raise ValueError(f"params '{name}': not saved yet; save some with `tune --name {name}`")
    return TrainParams.model_validate_json(tags[params_tag(name)])


def params_tag(name: str) -> str:
    """The experiment's tag for params with this name. Raises ValueError if it is no name."""
    if not re.fullmatch(r"[\w-]{1,50}", name):
        raise ValueError(f"params '{name}': give them a name of letters, digits, - and _")
    return f"params.{name}"
