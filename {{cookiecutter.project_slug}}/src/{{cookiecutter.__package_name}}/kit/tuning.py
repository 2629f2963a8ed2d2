"""The search for better params; its trials are MLflow runs, nested in the search's."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .files import CODE, text_digest
from .modelling.contract import LOG_SCALE, PROBLEM, SEARCH_SPACE, TrainParams
from .modelling.months import Month
from .tracking import connect, experiment_id, log_values

# Tags: a search's key, a trial's number, and MLflow's own for nested runs.
SEARCH, TRIAL, PARENT = "search", "trial", "mlflow.parentRunId"
# The first trials, which the others learn from.
RANDOM_TRIALS = 6


class Trial(BaseModel):
    """Params that were tried, and their error on the newest of the training rows."""

    number: int
    params: TrainParams
    error: float


def space() -> dict[str, Any]:
    """Return SEARCH_SPACE of model.py as Optuna's distributions."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(low, high, log=name in LOG_SCALE)
        if isinstance(low, int) and isinstance(high, int)
        else FloatDistribution(low, high, log=name in LOG_SCALE)
        for name, (low, high) in SEARCH_SPACE.items()
    }


def next_params(number: int, done: Sequence[Trial]) -> TrainParams:
    """Return the params for a trial, learnt from those done; trial 0 has the default ones."""
    import optuna

    if number == 0:
        return TrainParams()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Trials lie in MLflow: no state of Optuna's outlives this function, or can be lost.
    sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=number)
    study = optuna.create_study(sampler=sampler)
    for trial in done:
        params = trial.params.model_dump(include={*SEARCH_SPACE})
        with suppress(ValueError):  # the default ones may lie outside of the space
            study.add_trial(
                optuna.create_trial(params=params, distributions=space(), value=trial.error)
            )
    return TrainParams(**study.ask(space()).params)


def measure(paths: Sequence[Path], params: TrainParams, threads: int) -> float:
    """Return the main error on the last 15% of the rows by time, after a fit to those before."""
    from threadpoolctl import threadpool_limits
    from xgboost import config_context

    from .modelling import fitting, months

    X, y = months.read(paths)
    split = int(len(y) * (1 - fitting.VALIDATION_SHARE))
    with config_context(nthread=threads), threadpool_limits(threads):
        pipeline = fitting.fit_rows(X[:split], y[:split], params)
        losses = PROBLEM.losses(y[split:].to_numpy(), PROBLEM.predict(pipeline, X[split:]))
    return float(PROBLEM.error(losses.mean()))


def open_search(months: Sequence[Month]) -> str:
    """Return the MLflow run of the search on these months by this code, made if not there."""
    key = text_digest(repr((CODE, [month.digest for month in months])))
    client = connect()
    experiment = experiment_id(client)
    found = client.search_runs([experiment], f"tags.{SEARCH} = '{key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    run = client.create_run(experiment, tags={SEARCH: key}, run_name="tune")
    return str(run.info.run_id)


def trials_of(search: str) -> list[Trial]:
    """Return the trials of a search that are done, in order."""
    client = connect()
    whole = f"tags.`{PARENT}` = '{search}' AND attributes.status = 'FINISHED'"
    trials = [
        Trial(
            number=int(run.data.tags[TRIAL]),
            params=TrainParams.model_validate(run.data.params),
            error=run.data.metrics[PROBLEM.main],
        )
        for run in client.search_runs([experiment_id(client)], whole)
    ]
    return sorted(trials, key=lambda trial: trial.number)


def log_trial(search: str, trial: Trial) -> None:
    """Log a trial that is done; one that is not is never seen, as its run has no end."""
    client = connect()
    tags = {PARENT: search, TRIAL: str(trial.number)}
    name = f"trial {trial.number}"
    run_id = client.create_run(experiment_id(client), tags=tags, run_name=name).info.run_id
    log_values(client, run_id, trial.params.model_dump(), {PROBLEM.main: trial.error})
    client.set_terminated(run_id)


def close_search(search: str, name: str) -> tuple[Trial, Trial]:
    """End a search, and save the params of its best trial under a name.

    Returns the best trial and the first, which has the default params.
    """
    client, trials = connect(), trials_of(search)
    best = min(trials, key=lambda trial: trial.error)
    main = PROBLEM.main
    log_values(client, search, {}, {main: best.error, f"default_{main}": trials[0].error})
    client.set_terminated(search)
    params = best.params.model_dump_json()
    client.set_experiment_tag(experiment_id(client), params_tag(name), params)
    return best, trials[0]


def saved_params(name: str) -> TrainParams:
    """Return the params that a search saved under a name. Raises ValueError if there are none."""
    client = connect()
    tags = client.get_experiment(experiment_id(client)).tags
    if params_tag(name) not in tags:
        raise ValueError(f"params '{name}': not saved yet; save some with `tune --name {name}`")
    return TrainParams.model_validate_json(tags[params_tag(name)])


def params_tag(name: str) -> str:
    """Return the experiment's tag for params of a name. Raises ValueError if it is no name."""
    if not re.fullmatch(r"[\w-]{1,50}", name):
        raise ValueError(f"params '{name}': give them a name of letters, digits, - and _")
    return f"params.{name}"
