"""The search for better params; its trials are MLflow runs, nested in the search's."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from . import named_params
from .files import CODE, text_digest
from .modelling.contract import LOG_SCALE, PROBLEM, SEARCH_SPACE, TrainParams
from .project import commit_tags
from .records import Month, TuneResult
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


def measure(paths: Sequence[Path], params: TrainParams, threads: int, device: str) -> float:
    """Return the main error on the last 15% of the rows by time, after a fit to those before."""
    from threadpoolctl import threadpool_limits

    from .modelling import fitting, months
    from .modelling.boosting import VALIDATION_SHARE

    X, y = months.read(paths)
    split = int(len(y) * (1 - VALIDATION_SHARE))
    with threadpool_limits(threads):
        pipeline = fitting.fit_rows(X[:split], y[:split], params, device)
        losses = PROBLEM.losses(y[split:].to_numpy(), PROBLEM.predict(pipeline, X[split:]))
    return float(PROBLEM.error(losses.mean()))


def open_search(months: Sequence[Month], name: str) -> tuple[str, list[int]]:
    """Return the MLflow run of the search on these months by this code, and which trials it has."""
    named_params.tag_of(name)  # a bad name is refused before the work, not after it
    key = text_digest(repr((CODE, [month.digest for month in months])))
    client = connect()
    experiment = experiment_id(client)
    found = client.search_runs([experiment], f"tags.{SEARCH} = '{key}'", max_results=1)
    tags = {SEARCH: key} | commit_tags()
    run = found[0] if found else client.create_run(experiment, tags=tags, run_name="tune")
    search = str(run.info.run_id)
    return search, [trial.number for trial in trials_of(search)]


def try_next(
    number: int, search: str, months: Sequence[Month], threads: int, device: str = "cpu"
) -> str:
    """Try the params for a trial, log their error, and say it next to the best one.

    A search may go on on another device: that changes an error by some 0.02%, less than a seed.
    """
    params = next_params(number, trials_of(search))
    error = measure([month.path for month in months], params, threads, device)
    log_trial(search, Trial(number=number, params=params, error=error))
    best = min(trial.error for trial in trials_of(search))
    return f"{PROBLEM.error_label} {error:.3f}, best {best:.3f}"


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


def close_search(search: str, name: str) -> TuneResult:
    """End a search, save the params of its best trial under a name, and say how it ended."""
    client, trials = connect(), trials_of(search)
    best, default = min(trials, key=lambda trial: trial.error), trials[0]
    main, label = PROBLEM.main, PROBLEM.error_label
    log_values(client, search, {}, {main: best.error, f"default_{main}": default.error})
    client.set_terminated(search)
    named_params.save(name, best.params)
    compared = f"the default params' {label} {default.error:.3f} on the newest training rows"
    reason = f"No trial beats {compared}; the default params are saved as '{name}'"
    if best.error < default.error:
        reason = (
            f"Trial {best.number + 1} beats {compared} with {best.error:.3f}; saved as '{name}'"
        )
    return TuneResult(
        run_id=search,
        params=best.params.model_dump(),
        error=best.error,
        default_error=default.error,
        reason=reason,
    )
