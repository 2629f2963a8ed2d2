"""Deploy, and work: both against the Prefect API that PREFECT_API_URL or a profile names."""

import os
import subprocess
import sys
from contextlib import suppress
from typing import Annotated, Any

from cyclopts import Parameter

from .project import ROOT

PREFECT = [sys.executable, "-m", "prefect"]


def deploy() -> None:
    """Send prefect.yaml to the Prefect API, with its work pool if that is not there yet."""
    make_work_pool()
    done = subprocess.run([*PREFECT, "--no-prompt", "deploy", "--all"], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def worker(*options: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Run the flow runs of the work pool until Ctrl-C.

    Args:
        options: Options of `prefect worker start`, such as --limit 2.
    """
    pool = make_work_pool()
    os.chdir(ROOT)
    os.execv(sys.executable, [*PREFECT, "worker", "start", "--pool", pool, *options])


def make_work_pool() -> str:
    """Make the work pool of prefect.yaml unless it is there, and return its name."""
    import yaml
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    check_api_url()
    definitions: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]
    name: str = definitions["work_pool"]["name"]
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=name, type=definitions["work_pool_type"]))
    return name


def check_api_url() -> None:
    """Raise ValueError if none is given: Prefect would start a server just for the command."""
    if not api_url():
        raise ValueError("PREFECT_API_URL: not set; name the server in .env or in a profile")


def api_url() -> str | None:
    """Return the address of the Prefect API that the environment, .env or a profile gives."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url
