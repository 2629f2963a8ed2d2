"""Automations: what the Prefect server does when a flow run dies or fails.

What it does when a month drifts is a trigger in prefect.yaml.
"""

from datetime import timedelta
from uuid import UUID

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from .deployment import check_api_url
from .project import PROJECT

# Flow runs of the deployments, which all have the project's name as a tag.
OF_THIS_PROJECT = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{PROJECT}"})
# Three heartbeats of Prefect's default; less would end flow runs that only lost one or two.
SILENCE = timedelta(minutes=9)

MESSAGE = """\
{{ flow.name }}/{{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run.state.message }}
{{ flow_run|ui_url or flow_run.id }}
"""


def automations(notify: str = "") -> None:
    """Set the server's automations: rescue dead flow runs, and report failures.

    Args:
        notify: Block to report failures through, as type/name, such as slack-webhook/team.
    """
    check_api_url()
    with get_client(sync_client=True) as client:
        wanted = [rescue()]
        if notify:
            wanted.append(notification(_block_id(client, notify)))
        for automation in wanted:
            print(f"{automation.name}: {_apply(client, automation)}")


def _apply(client: SyncPrefectClient, automation: AutomationCore) -> str:
    """Make an automation, or change the one of its name, and say which."""
    found = client.read_automations_by_name(automation.name)
    if not found:
        client.create_automation(automation)
        return "made"
    # The server forgets what it has seen so far when an automation changes.
    if AutomationCore(**found[0].model_dump(exclude={"id"})) == automation:
        return "there already"
    client.update_automation(found[0].id, automation)
    return "changed"


def rescue() -> AutomationCore:
    """Mark a flow run as crashed once its heartbeats have stopped."""
    return AutomationCore(
        name=f"{PROJECT}: mark dead flow runs as crashed",
        trigger=EventTrigger(
            match_related=OF_THIS_PROJECT,
            # Running: one that died before its first heartbeat is dead as well.
            after={"prefect.flow-run.Running", "prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name=None, message="Its heartbeats stopped", force=False
            )
        ],
    )


def notification(block: UUID) -> AutomationCore:
    """Report a failed or crashed flow run through a notification block."""
    return AutomationCore(
        name=f"{PROJECT}: report failed flow runs",
        trigger=EventTrigger(
            match_related=OF_THIS_PROJECT,
            expect={f"prefect.flow-run.{end}" for end in ("Failed", "Crashed", "TimedOut")},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
        ),
        actions=[
            SendNotification(
                block_document_id=block, subject=f"{PROJECT}: a flow run failed", body=MESSAGE
            )
        ],
    )


def _block_id(client: SyncPrefectClient, block: str) -> UUID:
    kind, _, name = block.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
        schema = found.block_schema
        if schema and "notify" not in schema.capabilities:
            raise ValueError(f"{block}: cannot notify; name a block such as slack-webhook/team")
        return found.id
    except ObjectNotFound as error:
        problem = f"{block}: no such block; make one on the Blocks page of Prefect's UI"
        raise ValueError(f"{problem}, and name it as type/name") from error
