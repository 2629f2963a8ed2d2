"""The flow `score`: predictions of the champion, in files."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from ..kit.locations import Location
from ..kit.orchestration import name_with_file
from ..kit.project import PROJECT
from ..kit.records import Champion, ScoreResult, Scores
from ..settings import Settings
from .shared import HOUR, NETWORK_TASK, fetch, find_champion, find_months

SCORES_KEY = f"{PROJECT}-scores"


@task(task_run_name=name_with_file, **NETWORK_TASK | {"timeout_seconds": 4 * HOUR})
def predict(raw: Path, location: str, champion: Champion, folder: str) -> Scores:
    """Predict a month with the champion, to files in a folder or at an address."""
    from ..kit import prediction, registry

    moment = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"model": PROJECT, "model_version": str(champion.version), "scored_at": moment}
    with registry.load(champion.version) as model:
        return prediction.score_month(raw, location, model, folder, about)


@task(**NETWORK_TASK)
def publish_scores(months: list[Scores], champion: Champion) -> None:
    """Publish the counts as a Prefect artifact."""
    from ..kit import reports

    description = f"Predictions of version {champion.version}"
    create_table_artifact(reports.scores_table(months), key=SCORES_KEY, description=description)


@flow(name=f"{PROJECT}-score")
def score(paths: list[Location] | None = None) -> ScoreResult:
    """Predict months with the champion, to parquet files in predictions/ or where Settings say.

    Args:
        paths: Months to predict; by default the newest of the data location.
    """
    from ..kit.prediction import check_names

    champion = find_champion()
    paths = find_months(paths)
    check_names(paths)
    months = [predict(fetch(path), path, champion, Settings().prediction_dir) for path in paths]
    publish_scores(months, champion)
    result = ScoreResult(model_version=champion.version, months=months)
    get_run_logger().info(result.summary)
    return result
