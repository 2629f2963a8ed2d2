"""What piles up and is needed no more: shown, and removed if one says so."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import Settings
from . import promotions, registry, runs
from .files import CODE, text_digest
from .records import Count
from .tracking import connect, experiment_id

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

DAY = 24 * 60 * 60
# MLflow runs of trainings have this tag; those of searches do not.
FLOW_RUN = "prefect.flow_run_id"
# What is needed no more: its bytes, and what removes it.
Old = tuple[int, Callable[[], Any]]


def clean(yes: bool = False, keep: Count = 5) -> None:
    """Show what is needed no more, checkpoints and old versions of the model; remove it by --yes.

    The champion, each version that the audit trail names, and predictions are kept.

    Args:
        yes: Remove it, instead of only showing it.
        keep: How many of the newest versions to keep.
    """
    with _nothing_at_work():
        kept, old = _versions(keep)
        numbers = f" ({', '.join(str(version.version) for version in old)})" if old else ""
        heaps = {
            f"versions of the model{numbers}": [_training(str(v.run_id), v) for v in old],
            "MLflow runs of trainings that were cut off": [*_lost_runs(kept + old)],
            "checkpoints": [*_checkpoints(kept)],
            "leftovers of flow runs that were killed": [*_leftovers()],
        }
        for name, things in heaps.items():
            print(f"{len(things):,} {name}: {sum(size for size, _ in things) / 1e6:,.1f} MB")
            for _, remove in things if yes else ():
                remove()
    print("Removed." if yes else "Nothing is removed yet; to remove it: uv run poe clean --yes")


def _versions(keep: int) -> "tuple[list[ModelVersion], list[ModelVersion]]":
    """Return the versions to keep, and the others."""
    versions, champion = registry.versions(), registry.champion()
    named = {number for e in promotions.promotions() for number in (e.version, e.previous)}
    named |= {champion.version if champion else None, *(int(v.version) for v in versions[:keep])}
    kept = [version for version in versions if int(version.version) in named]
    return kept, [version for version in versions if version not in kept]


@contextmanager
def _nothing_at_work() -> Iterator[None]:
    """Hold the locks of trainings and searches. Raises ValueError if one is at work."""
    from filelock import FileLock, Timeout

    folder = Settings().checkpoint_dir
    with ExitStack() as stack:
        for what in ("training", "search"):
            try:
                stack.enter_context(FileLock(folder / f"{what}.lock").acquire(blocking=False))
            except Timeout:
                raise ValueError(f"{folder}: a {what} is at work; clean after its end") from None
        yield


def _training(run_id: str, version: "ModelVersion | None" = None) -> Old:
    """Return an MLflow run, with the version that was made of it."""
    stores = _stores(run_id, str(version.source).rpartition("/")[2] if version else "")

    def remove() -> None:
        # First of all it is no version any more, so that nobody finds half of one.
        if version:
            connect().delete_model_version(version.name, str(version.version))
        for store in stores:
            store.delete_artifacts()
        run = runs.find_run(run_id)
        if run and run.info.lifecycle_stage == "active":
            connect().delete_run(run_id)

    return sum(map(_size, stores)), remove


def _lost_runs(versions: "list[ModelVersion]") -> Iterator[Old]:
    """Yield the trainings of before today whose model never became a version."""
    client, known = connect(), {version.run_id for version in versions}
    before = f"attributes.start_time < {int((time.time() - DAY) * 1000)}"
    for run in client.search_runs([experiment_id(client)], before, max_results=1_000):
        if run.info.run_id not in known and FLOW_RUN in run.data.tags:
            yield _training(run.info.run_id)


def _stores(run_id: str, model: str = "") -> list[Any]:
    """Return where the artifacts of an MLflow run and of a logged model are, if they are there."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run, places = runs.find_run(run_id), []
    if run:
        places.append(str(run.info.artifact_uri))
    with suppress(MlflowException):
        places.append(str(connect().get_logged_model(model).artifact_location))
    return [get_artifact_repository(place) for place in places]


def _size(store: Any, folder: str | None = None) -> int:
    found = store.list_artifacts(folder)
    return sum(_size(store, f.path) if f.is_dir else int(f.file_size or 0) for f in found)


def _checkpoints(kept: "list[ModelVersion]") -> Iterator[Old]:
    """Yield cleaned months that no kept version saw, and pipelines that are versions already."""
    digests = {d for version in kept for d in runs.learnt_from(str(version.run_id))}
    digests |= {version.tags.get(registry.TESTED_ON, "") for version in kept}
    needed = tuple(text_digest(digest + CODE) for digest in digests)
    logged = max((v.creation_timestamp / 1000 for v in kept), default=0.0)
    for path in Settings().checkpoint_dir.glob("*"):
        is_pipeline, status = path.name.startswith("pipeline-"), path.stat()
        is_needed = status.st_mtime > logged if is_pipeline else path.stem.endswith(needed)
        if path.is_file() and path.suffix in {".skops", ".parquet"} and not is_needed:
            yield status.st_size, path.unlink


def _leftovers() -> Iterator[Old]:
    """Yield pages on the disk; and temporary folders and copies of months, of before today."""
    folder, predictions = Settings().checkpoint_dir, Path(Settings().prediction_dir)
    found = [*folder.glob(".writing-*"), *folder.glob("raw/*"), *predictions.glob(".writing-*")]
    old = [path for path in found if path.stat().st_mtime < time.time() - DAY]
    for path in (*old, *folder.glob("pages")):
        size = sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
        yield size, partial(shutil.rmtree, path) if path.is_dir() else path.unlink
