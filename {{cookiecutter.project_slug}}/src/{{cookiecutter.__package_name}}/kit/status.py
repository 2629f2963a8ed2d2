"""How things stand, on one screen; and the audit trail of promotions as a table."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from rich.console import Console
from rich.table import Column, Table

from ..settings import Settings
from . import prediction, promotions, registry, runs, sources
from .commands import advice
from .deployed import deployments
from .deployment import api_url
from .locations import name_in
from .modelling.contract import PERIOD, PROBLEM
from .modelling.periods import in_name
from .project import PROJECT

# Challengers and flow runs that are shown at most: all fits on one screen.
FEW = 5


def status() -> None:
    """Show the champion, challengers, the newest month and the flow runs, on one screen."""
    parts: dict[str, Callable[[], Table | str]] = {
        "Champion": _champion,
        "Challengers since": _challengers,
        f"Newest {PERIOD}": _newest_month,
        "Flow runs, the last and the next": _flow_runs,
    }
    for title, part in parts.items():
        _show(f"\n{title.upper()}")
        _show(_or_why_not(part))


def history() -> None:
    """Show the audit trail: who made which version the champion, when and why."""
    trail = promotions.promotions()
    rows = [(_time(e.at), e.version, e.previous or "none", e.by, e.reason) for e in trail]
    header = ("when", "version", "before", "by", "reason")
    _show(_table(header, rows) if rows else f"{PROJECT}: has had no champion yet")


def _or_why_not(part: Callable[[], Table | str]) -> Table | str:
    """Return a part of the screen; of one whose server is away or whose data are not there, why."""
    try:
        return part()
    except Exception as error:
        found = advice(error)
        if found is None:
            raise
        return found


def _champion() -> str:
    found = registry.the_champion()
    told = f"version {found.version}"
    for entry in promotions.promotions()[-1:]:
        days = (datetime.now(UTC) - entry.at).days
        told += f", since {_time(entry.at)} ({days} days), by {entry.by}: {entry.reason}"
    measured = [
        f"{label} {found.metrics[f'test_{name}']:.3f}"
        for name, label in PROBLEM.labels.items()
        if f"test_{name}" in found.metrics
    ]
    why_not = "measured for another PROBLEM" if found.metrics else "its MLflow run is gone"
    return f"{told}\n{', '.join(measured) or why_not}"


def _challengers() -> Table | str:
    champion = registry.champion()
    newer = [v for v in registry.versions() if not champion or int(v.version) > champion.version]
    rows = [
        (
            v.version,
            _time(datetime.fromtimestamp(v.creation_timestamp / 1000, UTC)),
            v.tags.get("verdict", "not compared"),
        )
        for v in newer[:FEW]
    ]
    return _table((f"{len(newer)} in all", "registered", "verdict"), rows) if rows else "none"


def _newest_month() -> str:
    settings = Settings()
    month = sources.newest_month(settings.data_location, settings.raw_dir)
    champion = registry.champion()
    scored = prediction.scored_by(month, settings.prediction_dir) or "not scored"
    seen = runs.verdict_on(champion.run_id, in_name(month)) if champion else None
    monitored = f"found {seen} by monitor" if seen else "not monitored with the champion"
    return f"{name_in(month)}: {scored}, {monitored}"


def _flow_runs() -> Table | str:
    if not api_url():
        return "no Prefect server is named: set PREFECT_API_URL in .env, or in a profile"
    with get_client(sync_client=True) as client:
        deployed = deployments(client)
        flows = {d.flow_id: str(d.entrypoint).rpartition(".")[2] for d in deployed}
        if not flows:
            return "nothing is deployed yet: uv run poe deploy"
        last = client.read_flow_runs(
            flow_filter=FlowFilter.model_validate({"id": {"any_": [*flows]}}),
            flow_run_filter=FlowRunFilter.model_validate({"start_time": {"is_null_": False}}),
            sort=FlowRunSort.START_TIME_DESC,
            limit=FEW,
        )
        following = [found for d in deployed for found in _next_of(client, d.id)]
    names: dict[UUID | None, str] = {d.id: f"{flows[d.flow_id]}/{d.name}" for d in deployed}
    rows = [
        (names.get(run.deployment_id, flows[run.flow_id]), run.name, run.state_name, _start(run))
        for run in (*last[::-1], *sorted(following, key=_start))
    ]
    return _table(("deployment", "flow run", "state", "start"), rows)


def _next_of(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    waits = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(waits),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=1,
    )


def _start(run: FlowRun) -> str:
    moment = run.start_time or run.expected_start_time
    return _time(moment) if moment else ""


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    table = Table(*(Column(n, overflow="fold") for n in header), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    return table


def _show(part: Table | str) -> None:
    Console(highlight=False).print(part, markup=False, soft_wrap=isinstance(part, str))
