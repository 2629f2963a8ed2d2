"""The only module of tasks: how often, how long, and what if a step fails.

Tasks hand each other paths, ids and small values, never DataFrames: so caching is cheap, nothing
large reaches the server, and a flow run that is started again goes on from its checkpoints.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.blocks.system import Secret
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.events import emit_event
from prefect.runtime import flow_run, task_run
from prefect.tasks import exponential_backoff

from .checkpoints import CLEANING, code_digests, file_digest, replacing, text_digest
from .registry import Champion, Registry
from .settings import PROJECT, Settings
from .training import Engine, TrainParams

if TYPE_CHECKING:
    from .data import Month
    from .evaluation import Evaluation, Verdict
    from .monitoring import Inspection
    from .scoring import Scores
    from .tuning import Trial

P = ParamSpec("P")
R = TypeVar("R")

MINUTE = 60
HOUR = 60 * MINUTE
TRIALS_AT_ONCE = min(4, os.cpu_count() or 1)
"""More at once would learn less from each other."""
THREADS_OF_TRIAL = (os.cpu_count() or 1) // TRIALS_AT_ONCE

REPORT_KEY = "duration-model-report"
DRIFT_KEY = "drift-report"
SCORES_KEY = "scores"

REFERENCE = "reference.json"
"""The MLflow artifact that says how the training data were spread."""

DRIFT_EVENT = f"{PROJECT}.drift"
MODEL_RESOURCE = f"prefect-ml.model.{PROJECT}"
"""The Prefect event that asks for a retraining, and the resource that it is about."""


def may_get_better(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to try again: a network may recover; bad data or a bug will not."""
    return not isinstance(state.data, ValueError | TypeError | LookupError | AttributeError)


OUTSIDE: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": may_get_better,
    "timeout_seconds": 10 * MINUTE,
    "cache_policy": NO_CACHE,
}
"""For tasks that touch the outside world.

Tasks are called in the main thread, where the time limit interrupts calls that block too.
"""


def cached_by_content(code: dict[str, str]) -> dict[str, Any]:
    """For tasks that make a checkpoint: cached by what they read and by the code that makes it."""

    def key(context: TaskRunContext, arguments: dict[str, Any]) -> str:
        read = [
            file_digest(value) if isinstance(value, Path) and value.is_file() else repr(value)
            for value in arguments.values()
        ]
        parts = [context.task.task_key, repr(code), *read]
        return text_digest("\n".join(parts))

    return {
        "cache_policy": CacheKeyFnPolicy(cache_key_fn=key),
        "persist_result": True,
        "result_serializer": "json",
        "timeout_seconds": 4 * HOUR,
    }


FITTING = CLEANING | code_digests(
    *("cluster.py", "encoding.py", "external.py", "features.py", "streaming.py", "training.py")
)
"""The code that makes a pipeline: an edit counts from the next start on."""


def check_code() -> None:
    """Raise ValueError if the code was edited since: MLflow would get another than the model's."""
    edited = [name for name, _ in FITTING.items() ^ code_digests(*FITTING).items()]
    if edited:
        raise ValueError(
            f"{edited[0]}: was edited while this flow ran; start it again (undo the edit before, "
            "and what is fitted already is used)"
        )


def lost_workers(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to fit again: without the workers of a cluster that are lost, or with new ones."""
    return isinstance(state.data, ConnectionError)


def name_with_file() -> str:
    """Task run name such as "clean trips_2024-01.parquet"."""
    from .parquet import file_name

    return f"{task_run.task_name} {file_name(task_run.parameters['location'])}"


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait for any other training or search with this state folder.

    Two trainings would race for the champion, two searches make each trial twice. The operating
    system ends the lock with its process, however that ends.
    """
    from filelock import FileLock, Timeout

    path = Settings().checkpoint_dir / f"{what}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        get_run_logger().info(f"Another {what} is at work; this one waits for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def unlock_database() -> None:
    """Give libpq the password that a Prefect Secret block keeps, if Settings name one."""
    if name := Settings().database_secret:
        block: Any = Secret.load(name)
        os.environ["PGPASSWORD"] = block.get()


@task(**OUTSIDE)
def find_months(
    train_paths: list[str] | None, test_path: str | None, data_location: str
) -> tuple[list[str], str]:
    """The months to train on and the one to test on: those given, or those of the data location."""
    from . import sources

    unlock_database()
    return sources.choose_months(train_paths, test_path, data_location)


@task(task_run_name=name_with_file, **OUTSIDE)
def fetch(location: str, folder: Path) -> Path:
    """A copy of a month in a folder of the checkpoints; a local file stays where it is."""
    from . import sources

    unlock_database()
    return sources.fetch(location, folder / "raw")


@task(**OUTSIDE)
def find_params(name: str) -> TrainParams:
    """The params that a search saved under a name."""
    from . import searches

    return searches.saved_params(Registry(Settings()), name)


@task(task_run_name=name_with_file, **cached_by_content(CLEANING))
def clean(raw: Path, location: str, folder: Path) -> "Month":
    """Check and clean a month to a checkpoint."""
    from . import data

    check_code()
    return data.clean_month(raw, location, folder)


@task(
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=lost_workers,
    **cached_by_content(FITTING),
)
def fit(months: "list[Month]", params: TrainParams, engine: Engine, folder: Path) -> str:
    """Fit a pipeline to the months, and return the path of its checkpoint."""
    from . import training

    check_code()
    path = folder / f"pipeline-{text_digest(repr((FITTING, months, params, engine)))}.skops"
    paths, scheduler = [month.path for month in months], Settings().dask_scheduler
    pipeline = training.fit(paths, params, engine, folder, scheduler)
    with replacing(path) as temporary:
        training.save(pipeline, temporary)
    return str(path)


def cleaned(location: str, folder: Path) -> "Month":
    """The checkpoint of a month, made again if its file is gone."""
    raw = fetch(location, folder)
    month = clean(raw, location, folder)
    return month if month.path.exists() else _again(clean)(raw, location, folder)


def fitted(months: "list[Month]", params: TrainParams, engine: Engine, folder: Path) -> str:
    """The checkpoint of a pipeline, made again if its file is gone."""
    path = fit(months, params, engine, folder)
    return path if Path(path).exists() else _again(fit)(months, params, engine, folder)


def _again(task: Task[P, R]) -> Task[P, R]:
    return task.with_options(refresh_cache=True)


@task(timeout_seconds=HOUR, cache_policy=NO_CACHE)
def evaluate(pipeline: str, months: "list[Month]", test: "Month") -> "Evaluation":
    """Predict the test month, and measure."""
    from . import evaluation, training

    path = Path(pipeline)
    return evaluation.evaluate_pipeline(
        training.load(path),
        [month.path for month in months],
        test.path,
        path.with_suffix(".predictions.parquet"),
    )


@task(**OUTSIDE)
def log(
    pipeline: str,
    evaluation: "Evaluation",
    months: "list[Month]",
    test: "Month",
    params: TrainParams,
) -> str:
    """Log the training to MLflow, and return the MLflow run's id."""
    import pandas as pd

    from . import data, monitoring, plots, training

    check_code()
    reference = monitoring.make_reference([month.path for month in months])
    predictions = pd.read_parquet(evaluation.predictions)
    metrics = {f"test_{name}": value for name, value in evaluation.metrics}
    metrics |= {f"baseline_{name}": value for name, value in evaluation.baseline}
    return Registry(Settings()).log(
        training.load(Path(pipeline)),
        data.read([test.path])[0].head(5),
        params=params.model_dump(),
        metrics=metrics,
        tags={
            "prefect.flow_run_id": flow_run.id or "",
            "prefect.flow_run_name": flow_run.name or "",
        },
        documents={REFERENCE: reference.model_dump()},
        figures=plots.training_plots(predictions, evaluation.importance),
        datasets={"train": months, "test": [test]},
    )


@task(**OUTSIDE)
def register(run_id: str) -> int:
    """Register the MLflow run's model as a new version, the challenger."""
    version = Registry(Settings()).register(run_id)
    get_run_logger().info(f"Version {version} is registered")
    return version


@task(**OUTSIDE)
def compare(evaluation: "Evaluation", test: "Month") -> "Verdict":
    """Let the champion predict the same test rows, and decide."""
    import pandas as pd

    from . import data
    from .evaluation import BASELINE, is_better

    settings = Settings()
    registry = Registry(settings)
    table = pd.read_parquet(evaluation.predictions)
    champion = registry.champion()
    if champion:
        with registry.load(champion.version) as model:
            rival = model.predict(data.read([test.path])[0])
        name = f"champion (version {champion.version})"
    else:
        rival, name = table["baseline"].to_numpy(), BASELINE
    actual, predicted = table["actual"].to_numpy(), table["predicted"].to_numpy()
    return is_better(actual, predicted, rival, name, settings.min_gain)


@task(**OUTSIDE)
def promote(version: int, reason: str) -> None:
    """Make a version the champion."""
    Registry(Settings()).promote(version, reason, by=f"flow run {flow_run.name}")


@task(**OUTSIDE)
def publish(
    run_id: str,
    version: int,
    evaluation: "Evaluation",
    verdict: "Verdict",
    months: "list[Month]",
    test: "Month",
    params: TrainParams,
) -> None:
    """Publish the report as a Prefect artifact, with a link to the MLflow run."""
    from . import report

    registry = Registry(Settings())
    registry.set_verdict(version, verdict.reason, test.digest)
    url = registry.run_url(run_id)
    markdown = report.training_report(
        evaluation=evaluation,
        verdict=verdict,
        version=version,
        train=months,
        test=test,
        params=params.model_dump(),
        run=f"[{run_id}]({url})" if url else f"`{run_id}`",
    )
    create_markdown_artifact(markdown, key=REPORT_KEY, description=verdict.reason)
    if url:
        create_link_artifact(url, key="mlflow-run", link_text="MLflow run", description=run_id)


@task(**OUTSIDE)
def find_newest(data_location: str) -> str:
    """The newest month of the data location."""
    from . import sources

    unlock_database()
    return sources.list_months(data_location)[-1]


@task(**OUTSIDE)
def find_champion() -> Champion:
    """The champion."""
    champion = Registry(Settings()).champion()
    if not champion:
        raise ValueError(f"{PROJECT}: has no champion yet; train one")
    return champion


@task(task_run_name=name_with_file, **OUTSIDE | {"timeout_seconds": 4 * HOUR})
def predict(raw: Path, location: str, champion: Champion, folder: Path) -> "Scores":
    """Predict a month with the champion, to files in a folder."""
    from . import scoring

    moment = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"model": PROJECT, "model_version": str(champion.version), "scored_at": moment}
    with Registry(Settings()).load(champion.version) as model:
        return scoring.score_month(raw, location, model, folder, about)


@task(**OUTSIDE)
def publish_scores(months: "list[Scores]", champion: Champion) -> None:
    """Publish the counts as a Prefect artifact."""
    table = [
        {
            "month": month.path.stem,
            "rows": month.rows,
            "scored": month.scored,
            **{f"rejected: {reason}": count for reason, count in month.rejected.items()},
            "file": str(month.path),
        }
        for month in months
    ]
    description = f"Predictions of version {champion.version}"
    create_table_artifact(table, key=SCORES_KEY, description=description)


@task(task_run_name=name_with_file, **OUTSIDE | {"timeout_seconds": 4 * HOUR})
def inspect(raw: Path, location: str, champion: Champion) -> "Inspection":
    """Judge a month by what the champion learnt from, and by its error."""
    from . import drift, monitoring

    settings = Settings()
    registry = Registry(settings)
    with registry.load(champion.version) as model:
        return monitoring.inspect(
            raw,
            location,
            drift.Reference.model_validate(registry.document(champion.run_id, REFERENCE)),
            model,
            test_rmse=champion.metrics["test_rmse"],
            psi_limits=(settings.drift_warn, settings.drift_fail),
            rmse_limits=(settings.error_warn, settings.error_fail),
        )


@task(**OUTSIDE)
def publish_inspection(inspection: "Inspection", champion: Champion) -> None:
    """Publish the report on a month as a Prefect artifact."""
    from . import report

    markdown = report.drift_report(inspection, champion.version)
    create_markdown_artifact(markdown, key=DRIFT_KEY, description=inspection.verdict)


@task(cache_policy=NO_CACHE)
def raise_alarm(inspection: "Inspection", champion: Champion) -> None:
    """Tell Prefect that a month is not what the champion learnt from; an automation may act."""
    emit_event(
        DRIFT_EVENT,
        resource={"prefect.resource.id": MODEL_RESOURCE, "prefect.resource.name": PROJECT},
        payload={
            "period": inspection.period,
            "model_version": champion.version,
            "findings": {name: found.value for name, found in inspection.findings.items()},
        },
    )


@task(**OUTSIDE)
def open_search(months: "list[Month]", name: str) -> tuple[str, list[int]]:
    """Id of the search's MLflow run, and the numbers of the trials that are done."""
    from . import searches, tuning

    searches.params_tag(name)  # a bad name is told before the work, not after it
    registry = Registry(Settings())
    search = searches.open_search(registry, tuning.search_key(months))
    return search, [trial.number for trial in searches.trials_of(registry, search)]


# No time limit: a thread's calls cannot be interrupted.
@task(task_run_name="trial {number}", **OUTSIDE | {"timeout_seconds": None})
def try_params(number: int, trials: int, search: str, months: "list[Month]") -> None:
    """Try the params that the trials before promise most of, and log what came of it."""
    from . import searches, tuning

    registry = Registry(Settings())
    params = tuning.next_params(number, searches.trials_of(registry, search))
    rmse = tuning.measure([month.path for month in months], params, THREADS_OF_TRIAL)
    searches.log_trial(registry, search, tuning.Trial(number=number, params=params, rmse=rmse))
    best = min(trial.rmse for trial in searches.trials_of(registry, search))
    get_run_logger().info(f"Trial {number + 1} of {trials}: RMSE {rmse:.3f}, best {best:.3f}")


@task(**OUTSIDE)
def close_search(search: str, name: str) -> "tuple[Trial, Trial]":
    """The best trial, whose params are saved under a name, and the one with the default params."""
    from . import searches

    return searches.close_search(Registry(Settings()), search, name)


@task(**OUTSIDE)
def find_tested(digest: str) -> int | None:
    """The newest version that was compared on the month with this digest."""
    return Registry(Settings()).tested_on(digest)
