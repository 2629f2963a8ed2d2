"""The project's deployments on the Prefect API, and whether they are what was sent last."""

import json
import os
import re

import prefect
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse

from ..settings import Settings
from .files import file_digest, replacing, text_digest
from .project import PACKAGE_FOLDER, PROJECT, ROOT

# A variable of the environment as prefect.yaml names it.
VARIABLE = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")


def prefect_yaml() -> str:
    """Return the text of prefect.yaml."""
    return (ROOT / "prefect.yaml").read_text(encoding="utf-8")


def deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """Return the project's deployments."""
    tags = DeploymentFilterTags(all_=[PROJECT])
    return client.read_deployments(deployment_filter=DeploymentFilter(tags=tags))


def is_current(client: SyncPrefectClient) -> bool:
    """Return whether nothing changed since `remember`: neither here nor which are there."""
    path = Settings().checkpoint_dir / "deployed.json"
    return path.exists() and json.loads(path.read_text()) == _state(client)


def remember(client: SyncPrefectClient) -> None:
    """Write down what was deployed."""
    with replacing(Settings().checkpoint_dir / "deployed.json") as path:
        path.write_text(json.dumps(_state(client)))


def _state(client: SyncPrefectClient) -> list[str]:
    text = prefect_yaml()
    values = {name: os.environ.get(name) for name in VARIABLE.findall(text)}
    # A form shows the parameters of the code.
    code = {str(path): file_digest(path) for path in sorted(PACKAGE_FOLDER.rglob("*.py"))}
    sent = text_digest(repr((text, values, code, prefect.__version__)))
    return [sent, *sorted(str(found.id) for found in deployments(client))]
