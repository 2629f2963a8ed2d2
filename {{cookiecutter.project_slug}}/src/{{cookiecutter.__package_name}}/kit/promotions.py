"""Promotion and rollback: which version is the champion, and the audit trail of it."""

import getpass
from datetime import UTC, datetime, timedelta
from zipfile import BadZipFile

from pydantic import BaseModel

from .modelling.contract import PROBLEM
from .project import PROJECT
from .registry import CHAMPION, champion, load, metrics_of
from .runs import if_there
from .tracking import connect

# The registered model's tags whose names begin like this are the audit trail.
TRAIL = "promotion."
LARGEST_VERSION = 2**31
LONGEST_REASON = 1_000


class Promotion(BaseModel):
    """An entry of the audit trail: who made which version the champion, when and why."""

    version: int
    previous: int | None
    by: str
    reason: str
    at: datetime

    @property
    def summary(self) -> str:
        """Which version is the champion now, and which was."""
        was = f"version {self.previous}" if self.previous else "none"
        return f"The champion of {PROJECT} is version {self.version} (it was {was})"


def promote(version: int, reason: str, by: str) -> Promotion:
    """Move the alias champion to a version, newer or older, and write it in the audit trail.

    Raises ValueError if the version is not there, or is not whole.
    """
    if len(reason) > LONGEST_REASON:
        raise ValueError(f"reason: has {len(reason):,} letters; say it in {LONGEST_REASON:,}")
    _check(version)
    found = champion()
    previous = found.version if found else None
    now = datetime.now(UTC)
    entry = Promotion(version=version, previous=previous, by=by, reason=reason, at=now)
    if version != previous:
        _write(entry)
        connect().set_registered_model_alias(PROJECT, CHAMPION, str(version))
    return entry


def promote_by_hand(version: int, reason: str = "by hand") -> None:
    """Make a version the champion, or an older one again; it needs no Prefect server.

    Args:
        version: Number of the version in MLflow.
        reason: Why; kept in the audit trail, with your name and the time.
    """
    try:
        by = getpass.getuser()
    except (KeyError, OSError):
        by = "unknown"  # in a container, whose user need not have a name
    print(promote(version, reason, by).summary)


def promotions() -> list[Promotion]:
    """Return the audit trail: all promotions and rollbacks, oldest first."""
    found = connect().search_registered_models(f"name='{PROJECT}'")
    tags = found[0].tags if found else {}
    trail = [text for name, text in sorted(tags.items()) if name.startswith(TRAIL)]
    return [Promotion.model_validate_json(text) for text in trail]


def _check(version: int) -> None:
    """Raise ValueError unless a version is there, was measured, and loads."""
    from mlflow.exceptions import MlflowException

    name, metric = f"version {version} of {PROJECT}", f"test_{PROBLEM.main}"
    is_number = 0 < version < LARGEST_VERSION
    found = if_there(connect().get_model_version, PROJECT, str(version)) if is_number else None
    if not found:
        raise ValueError(f"{name}: is not there; `uv run poe status` shows which are")
    metrics = metrics_of(str(found.run_id))
    if metrics and metric not in metrics:
        raise ValueError(f"{name}: has no {metric}; promote another one, or train again")
    try:
        with load(version):
            pass
    except (MlflowException, OSError, BadZipFile) as error:
        problem = f"{name}: does not load ({error})"
        raise ValueError(f"{problem}; promote another one, or train again") from error


def _write(entry: Promotion) -> None:
    client, last = connect(), promotions()[-1:]
    if last and entry.at <= last[0].at:  # the clock was set back: the order is what counts
        entry = entry.model_copy(update={"at": last[0].at + timedelta(microseconds=1)})
    # One tag each, so that no entry takes another's place.
    moment = f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ}"
    if not any(_is_retry(entry, before) for before in last):
        client.set_registered_model_tag(PROJECT, TRAIL + moment, entry.model_dump_json())
    for tag, value in {"at": moment, "by": entry.by, "because": entry.reason}.items():
        client.set_model_version_tag(PROJECT, str(entry.version), f"promoted_{tag}", value)


def _is_retry(entry: Promotion, last: Promotion) -> bool:
    """Return whether an entry is the last one again, cut off before the alias was moved."""
    same = entry == last.model_copy(update={"at": entry.at})
    return same and entry.at - last.at < timedelta(minutes=10)
