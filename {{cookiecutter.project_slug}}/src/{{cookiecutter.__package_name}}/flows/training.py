"""The flow `train`: from months to a model, and to the champion if it is better."""

from pathlib import Path
from typing import Literal

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from ..kit.events import announce
from ..kit.locations import Location
from ..kit.orchestration import checkpoint, find_device, is_lost_worker, one_at_a_time
from ..kit.project import PROJECT
from ..kit.records import Count, Evaluation, Month, TrainResult, Verdict
from ..model import TrainParams
from ..settings import Settings
from .shared import CACHED_TASK, HOUR, NETWORK_TASK, choose_months, fetch_and_clean, make_champion

REPORT_KEY = f"{PROJECT}-training"


@task(**NETWORK_TASK)
def find_params(name: str) -> TrainParams:
    """Find the params that a search saved under a name."""
    from ..kit import named_params

    return named_params.read(name)


# Tried again only if workers of a dask cluster are lost.
@task(retries=2, retry_delay_seconds=10, retry_condition_fn=is_lost_worker, **CACHED_TASK)
def fit(months: list[Month], params: TrainParams, engine: str, device: str, folder: Path) -> Path:
    """Fit a pipeline to the months, and return the path of its checkpoint."""
    from ..kit.modelling import fitting

    scheduler = Settings().dask_scheduler
    return fitting.fit_to_checkpoint(months, params, engine, folder, scheduler, device)


@task(timeout_seconds=HOUR, cache_policy=NO_CACHE)
def evaluate(pipeline: Path, months: list[Month], test: Month, params: TrainParams) -> Evaluation:
    """Predict the test month, and measure."""
    from ..kit.modelling import evaluation

    return evaluation.evaluate(pipeline, months, test, params)


@task(**NETWORK_TASK)
def log(evaluation: Evaluation) -> str:
    """Log model, metrics, plots and data to MLflow, and return the MLflow run's id."""
    from ..kit import tracking

    tags = {"prefect.flow_run_id": flow_run.id or "", "prefect.flow_run_name": flow_run.name or ""}
    return tracking.log_training(evaluation, tags)


@task(**NETWORK_TASK)
def register(run_id: str) -> int:
    """Register the model as a new version, the challenger."""
    from ..kit import registry

    version = registry.register(run_id)
    get_run_logger().info(f"Version {version} is registered")
    return version


@task(**NETWORK_TASK | {"timeout_seconds": HOUR})
def compare(evaluation: Evaluation, version: int, auto_promote: bool) -> Verdict:
    """Compare with the champion on the same rows: a gain of `min_gain` (in Settings) is better."""
    from ..kit import comparison, orchestration

    verdict = comparison.compare_with_champion(evaluation)
    return verdict if auto_promote else orchestration.wait_for_approval(verdict, version)


@task(**NETWORK_TASK)
def publish(evaluation: Evaluation, verdict: Verdict, version: int, run_id: str) -> None:
    """Keep the verdict with the version, and publish the report; a refusal is an event as well."""
    from ..kit import registry, reports, runs

    registry.set_verdict(version, verdict.reason, evaluation.test.digest)
    report = reports.training_report(evaluation, verdict, version, runs.run_link(run_id))
    create_markdown_artifact(report, key=REPORT_KEY, description=verdict.reason)
    if url := runs.run_url(run_id):
        create_link_artifact(url, key=f"{PROJECT}-mlflow-run", link_text="MLflow run")
    if not verdict.promoted:
        announce("refusal", f"Version {version} is not the champion: {verdict.reason}")


@flow(name=f"{PROJECT}-train")
@one_at_a_time("training")
def train(
    train_paths: list[Location] | None = None,
    test_path: Location | None = None,
    params: TrainParams | None = None,
    params_name: str | None = None,
    engine: Literal["auto", "memory", "external", "dask"] = "auto",
    window: Count | None = None,
    auto_promote: bool = True,
) -> TrainResult:
    """Train a model on some months, test it on a later one, promote it if it is better.

    Args:
        train_paths: Months to train on; by default all of the data location before the test.
        test_path: Month to test on; by default the newest of the data location.
        params: Params of the estimator; by default those of model.py.
        params_name: Name of params that `tune` saved, instead of `params`.
        engine: Where the training rows are: in "memory", on the disk ("external") or in a cluster
            ("dask"); "auto" takes the disk above the `memory_rows` of Settings.
        window: How many months to train on, the newest; by default all.
        auto_promote: Promote a better model at once; off: a person decides, when they like.
    """
    from ..kit.modelling.fitting import choose_engine
    from ..kit.modelling.months import check_months

    if params and params_name:
        raise ValueError(f"params and params_name '{params_name}': give one, not both")
    settings = Settings()
    folder = settings.checkpoint_dir
    params = find_params(params_name) if params_name else params or TrainParams()
    train_paths, test_path = choose_months(train_paths, test_path, window)
    *months, test = [fetch_and_clean(path, folder) for path in (*train_paths, test_path)]
    check_months(months, test)
    chosen = choose_engine(engine, sum(month.kept for month in months), settings.memory_rows)
    pipeline = checkpoint(fit, months, params, chosen, find_device(chosen), folder)
    evaluation = evaluate(pipeline, months, test, params)
    run_id = log(evaluation)
    version = register(run_id)
    verdict = compare(evaluation, version, auto_promote)
    if verdict.promoted:
        make_champion(version, verdict.reason, f"flow run {flow_run.name}")
    publish(evaluation, verdict, version, run_id)
    result = TrainResult(
        run_id=run_id, model_version=version, metrics=evaluation.metrics, **verdict.model_dump()
    )
    get_run_logger().info(result.summary)
    return result
