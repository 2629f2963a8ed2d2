"""The flow `promote`: a person makes a version the champion, or an older one again."""

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from ..kit.project import PROJECT
from .shared import make_champion


@flow(name=f"{PROJECT}-promote")
def promote(version: int, reason: str, by: str = "") -> None:
    """Make a version the champion: a newer one, or an older one again (rollback).

    Args:
        version: Number of the version in MLflow.
        reason: Why; kept in the audit trail.
        by: Your name, for the audit trail; by default that of the flow run.
    """
    get_run_logger().info(make_champion(version, reason, by or f"flow run {flow_run.name}"))
