"""Automations: what the Prefect server does when a flow run dies or fails.

What it does when a month drifts is a trigger in prefect.yaml.
"""

from datetime import timedelta
from typing import Any, Literal, get_args
from uuid import UUID

import httpx
from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.blocks.abstract import NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from .deployment import check_api_url
from .events import MODEL
from .project import PROJECT

# Flow runs of the deployments, which all have the project's name as a tag.
OF_THIS_PROJECT = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{PROJECT}"})
THE_MODEL, ANYTHING = ResourceSpecification({**MODEL}), ResourceSpecification({})
# Three heartbeats of Prefect's default; less would end flow runs that only lost one or two.
SILENCE = timedelta(minutes=9)

Subject = Literal["failure", "drift", "promotion", "refusal", "success"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# Those of a flow run that ended; the others are events of kit/events.py.
STATES = {"failure": ("Failed", "Crashed", "TimedOut"), "success": ("Completed",)}

MESSAGE = """\
{{ event.payload.message or
   flow.name ~ "/" ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". " ~ flow_run.state.message }}
{{ flow_run|ui_url or flow_run.id }}
"""


def automations(
    notify: str = "", about: tuple[Subject, ...] = SUBJECTS[:-1], test: bool = False
) -> None:
    """Set the server's automations: rescue dead flow runs, and send messages.

    Args:
        notify: Block to send messages through, as type/name, such as slack-webhook/team.
        about: What they are about, all but success by default; others are no longer sent.
        test: Send one now, to see whether they arrive.
    """
    check_api_url()
    with get_client(sync_client=True) as client:
        wanted = [(rescue(), True)]
        if notify:
            block = _block_id(client, notify)
            wanted += [(notification(block, subject), subject in about) for subject in SUBJECTS]
        for automation, is_on in wanted:
            done = _apply(client, automation) if is_on else _remove(client, automation)
            print(f"{automation.name}: {done}")
    if notify and test:
        _send(notify, f"Messages of {PROJECT} arrive here.")


def _send(notify: str, message: str) -> None:
    """Send a message through a block. Raises OSError if it is not taken."""
    block: Any = Block.load(notify)
    try:
        with block.raise_on_failure():
            block.notify(message, PROJECT)
    except (NotificationError, httpx.HTTPError) as error:
        reason = str(error).partition("\n")[0] or "no reason given"
        raise OSError(f"{notify}: a message was not taken ({reason}); edit the block") from error
    print(f"{notify}: a message was sent")


def _remove(client: SyncPrefectClient, automation: AutomationCore) -> str:
    for found in client.read_automations_by_name(automation.name):
        client.delete_automation(found.id)
    return "off"


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


def notification(block: UUID, subject: Subject) -> AutomationCore:
    """Send a message about a subject through a notification block."""
    states = {f"prefect.flow-run.{state}" for state in STATES.get(subject, ())}
    title = f"{PROJECT}: {subject}"
    return AutomationCore(
        name=f"{PROJECT}: report {subject}",
        trigger=EventTrigger(
            match=ANYTHING if states else THE_MODEL,
            match_related=OF_THIS_PROJECT if states else ANYTHING,
            expect=states or {f"{PROJECT}.{subject}"},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
        ),
        actions=[SendNotification(block_document_id=block, subject=title, body=MESSAGE)],
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
