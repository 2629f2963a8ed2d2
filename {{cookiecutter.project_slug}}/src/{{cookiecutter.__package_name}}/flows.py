"""The only module of flows: in what order."""

from prefect import flow, get_run_logger
from pydantic import BaseModel, Field

from . import tasks
from .settings import Settings
from .training import TrainParams


class TrainResult(BaseModel):
    """What a training came to; `rmse` in minutes on the test month."""

    run_id: str = Field(description="Id of the MLflow run")
    model_version: int
    rmse: float
    promoted: bool
    reason: str


@flow
@tasks.one_at_a_time()
def train(
    train_paths: list[str] | None = None,
    test_path: str | None = None,
    params: TrainParams | None = None,
) -> TrainResult:
    """Train a model on some months, test it on a later one, promote it if it is better.

    Args:
        train_paths: Months to train on; by default all of the data location before the test.
        test_path: Month to test on; by default the newest of the data location.
        params: Params of XGBoost; by default those of the code.
    """
    from .data import check_months

    settings, params = Settings(), params or TrainParams()
    folder = settings.checkpoint_dir
    train_paths, test_path = tasks.find_months(train_paths, test_path, settings.data_location)
    *months, test = [tasks.cleaned(path, folder) for path in (*train_paths, test_path)]
    check_months(months, test)
    pipeline = tasks.fitted(months, params, folder)
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
