"""The flows `monitor` and `retrain`: is the champion still right, and what if it is not."""

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from ..kit.events import announce
from ..kit.locations import Location
from ..kit.orchestration import name_with_file
from ..kit.project import PROJECT
from ..kit.records import Champion, Count, Inspection, RetrainResult
from .scoring import score
from .shared import HOUR, NETWORK_TASK, fetch, find_champion, find_months
from .training import train

DRIFT_KEY = f"{PROJECT}-drift"


@task(task_run_name=name_with_file, **NETWORK_TASK | {"timeout_seconds": 4 * HOUR})
def inspect(raw: Path, location: str, champion: Champion) -> Inspection:
    """Compare a month with what the champion learnt from, by the limits of Settings."""
    from ..kit import monitoring

    return monitoring.inspect_with_champion(raw, location, champion)


@task(**NETWORK_TASK)
def publish_inspection(inspection: Inspection, champion: Champion) -> None:
    """Publish the report on a month; its findings are metrics of the champion's MLflow run."""
    from ..kit import reports, tracking

    series = tracking.log_findings(champion.run_id, inspection)
    report = reports.drift_report(inspection, series)
    create_markdown_artifact(report, key=DRIFT_KEY, description=inspection.verdict)


@task(cache_policy=NO_CACHE)
def raise_alarm(inspection: Inspection) -> None:
    """Emit the event that asks for a retraining: a trigger in prefect.yaml answers."""
    about = inspection.model_dump(include={"period", "model_version", "findings"})
    announce("drift", inspection.summary, **about)


@task(**NETWORK_TASK)
def find_tested(digest: str) -> int | None:
    """Find the newest version that was tested on the month with this digest."""
    from ..kit import registry

    return registry.tested_on(digest)


@flow(name=f"{PROJECT}-monitor")
def monitor(path: Location | None = None, alarm: bool = True) -> Inspection:
    """Compare a month with what the champion learnt from, and its error with that of its test.

    Args:
        path: Month to look at; by default the newest of the data location.
        alarm: Emit the drift event, which starts a retraining, if the verdict is "fail".
    """
    champion = find_champion()
    path = find_months([path] if path else None)[-1]
    found = inspect(fetch(path), path, champion)
    publish_inspection(found, champion)
    if alarm and found.verdict == "fail":
        raise_alarm(found)
    get_run_logger().info(found.summary)
    return found


@flow(name=f"{PROJECT}-retrain")
def retrain(
    force: bool = False, window: Count | None = None, auto_promote: bool = True
) -> RetrainResult:
    """Train, with the params of model.py, if the newest month fails and is new; then score it.

    Args:
        force: Train whatever the verdict on the month, and also if a version was tested on it.
        window: How many months to train on, the newest; by default all.
        auto_promote: As for `train`.
    """
    # An alarm from here would start the next retraining.
    seen = monitor(alarm=False)
    tested = find_tested(seen.digest)
    if not force and (seen.verdict != "fail" or tested):
        known = f", and version {tested} was tested on it" if tested else ""
        get_run_logger().info(f"No training: the verdict on {seen.period} is {seen.verdict}{known}")
        return RetrainResult(monitoring=seen)
    trained = train(window=window, auto_promote=auto_promote)
    return RetrainResult(monitoring=seen, training=trained, scoring=score())
