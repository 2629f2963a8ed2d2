"""The only module of flows: in what order."""

from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, Field

from . import tasks
from .settings import Settings
from .training import Engine, TrainParams, choose_engine


class TrainResult(BaseModel):
    """What a training came to; `rmse` on the test month, in the unit of the target."""

    run_id: str = Field(description="Id of the MLflow run")
    model_version: int
    rmse: float
    promoted: bool
    reason: str


class ScoreResult(BaseModel):
    """What was predicted, and where it lies."""

    model_version: int
    rows: int
    scored: int
    files: list[Path]


class MonitorResult(BaseModel):
    """How a month is; `findings` are the PSI by feature, and the share by which the RMSE rose."""

    model_version: int
    period: str
    digest: str
    verdict: Literal["ok", "warn", "fail"]
    findings: dict[str, float]
    rmse: float | None = Field(description="The champion's on this month; None without labels")


class TuneResult(BaseModel):
    """What a search came to; RMSE on the newest 15% of the training rows."""

    run_id: str = Field(description="Id of the MLflow run, whose nested runs are the trials")
    params: TrainParams
    rmse: float
    default_rmse: float
    better: bool = Field(description="Whether `params` are better than the default ones")


class RetrainResult(BaseModel):
    """What the month was like, and what came of it; without a training the champion stands."""

    monitoring: MonitorResult
    training: TrainResult | None = None
    scoring: ScoreResult | None = None


@flow
@tasks.one_at_a_time("training")
def train(
    train_paths: list[str] | None = None,
    test_path: str | None = None,
    params: TrainParams | None = None,
    params_name: str | None = None,
    engine: Literal["auto", Engine] = "auto",
) -> TrainResult:
    """Train a model on some months, test it on a later one, promote it if it is better.

    Args:
        train_paths: Months to train on; by default all of the data location before the test.
        test_path: Month to test on; by default the newest of the data location.
        params: Params of XGBoost; by default those of the code.
        params_name: Name of params that `tune` saved, instead of `params`.
        engine: Where the training rows are: in "memory", on the disk ("external") or in a cluster
            ("dask"); "auto" takes the disk above the `memory_rows` of Settings.
    """
    from .data import check_months

    if params and params_name:
        raise ValueError(f"params and params_name '{params_name}': give one, not both")
    settings = Settings()
    params = tasks.find_params(params_name) if params_name else params or TrainParams()
    folder = settings.checkpoint_dir
    train_paths, test_path = tasks.find_months(train_paths, test_path, settings.data_location)
    *months, test = [tasks.cleaned(path, folder) for path in (*train_paths, test_path)]
    check_months(months, test)
    engine = choose_engine(engine, sum(month.kept for month in months), settings.memory_rows)
    pipeline = tasks.fitted(months, params, engine, folder)
    evaluation = tasks.evaluate(pipeline, months, test)
    run_id = tasks.log(pipeline, evaluation, months, test, params)
    version = tasks.register(run_id)
    verdict = tasks.compare(evaluation, test)
    if verdict.promoted:
        tasks.promote(version, verdict.reason)
    tasks.publish(run_id, version, evaluation, verdict, months, test, params)
    outcome = "promoted" if verdict.promoted else "not promoted"
    rmse = evaluation.metrics.rmse
    get_run_logger().info(f"RMSE {rmse:.3f}; version {version} {outcome}: {verdict.reason}")
    return TrainResult(
        run_id=run_id,
        model_version=version,
        rmse=rmse,
        promoted=verdict.promoted,
        reason=verdict.reason,
    )


@flow
def score(paths: list[str] | None = None) -> ScoreResult:
    """Predict months with the champion, to parquet files in the folder predictions/.

    Args:
        paths: Months to predict; by default the newest of the data location.
    """
    from .scoring import check_names

    settings = Settings()
    champion = tasks.find_champion()
    paths = paths or [tasks.find_newest(settings.data_location)]
    check_names(paths)
    folder = settings.checkpoint_dir
    months = [
        tasks.predict(tasks.fetch(path, folder), path, champion, settings.prediction_dir)
        for path in paths
    ]
    tasks.publish_scores(months, champion)
    result = ScoreResult(
        model_version=champion.version,
        rows=sum(month.rows for month in months),
        scored=sum(month.scored for month in months),
        files=[month.path for month in months],
    )
    get_run_logger().info(
        f"Scored {result.scored:,} of {result.rows:,} rows with version {champion.version}"
    )
    return result


@flow(task_runner=ThreadPoolTaskRunner(max_workers=tasks.TRIALS_AT_ONCE))  # type: ignore[arg-type]
@tasks.one_at_a_time("search")
def tune(
    train_paths: list[str] | None = None,
    test_path: str | None = None,
    trials: Annotated[int, Field(ge=1)] = 20,
    name: str = "tuned",
) -> TuneResult:
    """Search for better params, and save the best; it goes on where an earlier search ended.

    Args:
        train_paths: Months to try params on; by default all of the data location before the test.
        test_path: Month that is left for the test; by default the newest of the data location.
        trials: Number of params to try, with those that were tried on these months before.
        name: Name to save the best params under: `train` takes it as its params_name.
    """
    settings = Settings()
    train_paths, _ = tasks.find_months(train_paths, test_path, settings.data_location)
    months = [tasks.cleaned(path, settings.checkpoint_dir) for path in train_paths]
    search, done = tasks.open_search(months, name)
    missing = [number for number in range(trials) if number not in done]
    get_run_logger().info(f"{len(done)} of {trials} trials are done")
    tried = [tasks.try_params.submit(number, trials, search, months) for number in missing]
    for future in tried:
        future.result()
    best, default = tasks.close_search(search, name)
    better = best.rmse < default.rmse
    told = f"the default params' RMSE {default.rmse:.3f} on the newest training rows"
    get_run_logger().info(
        f"Trial {best.number + 1} beats {told} with {best.rmse:.3f}; saved as '{name}'"
        if better
        else f"No trial beats {told}; the default params are saved as '{name}'"
    )
    return TuneResult(
        run_id=search,
        params=best.params,
        rmse=best.rmse,
        default_rmse=default.rmse,
        better=better,
    )


@flow
def monitor(path: str | None = None, alarm: bool = True) -> MonitorResult:
    """Compare a month with what the champion learnt from, and its error with that of its test.

    Args:
        path: Month to look at; by default the newest of the data location.
        alarm: Emit the drift event, which starts a retraining, if the verdict is "fail".
    """
    settings = Settings()
    champion = tasks.find_champion()
    path = path or tasks.find_newest(settings.data_location)
    raw = tasks.fetch(path, settings.checkpoint_dir)
    found = tasks.inspect(raw, path, champion)
    tasks.publish_inspection(found, champion)
    if alarm and found.verdict == "fail":
        tasks.raise_alarm(found, champion)
    get_run_logger().info(f"{found.period}, beside version {champion.version}: {found.summary}")
    return MonitorResult(
        model_version=champion.version,
        period=found.period,
        digest=found.digest,
        verdict=found.verdict,
        findings={name: finding.value for name, finding in found.findings.items()},
        rmse=found.rmse,
    )


@flow
def retrain(force: bool = False) -> RetrainResult:
    """Train if the newest month is no longer what the champion learnt from; then score it.

    Args:
        force: Train whatever the month is like.
    """
    # An alarm from here would start the next retraining.
    seen = monitor(alarm=False)
    tested = tasks.find_tested(seen.digest)
    if not force and (seen.verdict != "fail" or tested):
        known = f", and version {tested} was tested on it" if tested else ""
        get_run_logger().info(f"No training: {seen.period} is {seen.verdict}{known}")
        return RetrainResult(monitoring=seen)
    return RetrainResult(monitoring=seen, training=train(), scoring=score())
