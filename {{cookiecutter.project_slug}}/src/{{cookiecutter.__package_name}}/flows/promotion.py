"""The flow `promote`: a person makes a version the champion, or an older one again."""

import getpass

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run

from ..kit.project import PROJECT
from .shared import NETWORK_TASK


@task(**NETWORK_TASK)
def make_champion(version: int, reason: str, by: str) -> str:
    """Move the alias champion to a version, and say from which."""
    return move_champion(version, reason, by)


@flow(name=f"{PROJECT}-promote")
def promote(version: int, reason: str, by: str = "") -> None:
    """Make a version the champion: a newer one, or an older one again (rollback).

    Args:
        version: Number of the version in MLflow.
        reason: Why; kept in the audit trail.
        by: Your name, for the audit trail; by default that of the flow run.
    """
    get_run_logger().info(make_champion(version, reason, by or f"flow run {flow_run.name}"))


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
    print(move_champion(version, reason, by))


def move_champion(version: int, reason: str, by: str) -> str:
    """Move the alias champion, and return a sentence about it."""
    from ..kit import promotions

    entry = promotions.promote(version, reason, by)
    was = f"version {entry.previous}" if entry.previous else "none"
    return f"The champion of {PROJECT} is version {version} (it was {was})"
