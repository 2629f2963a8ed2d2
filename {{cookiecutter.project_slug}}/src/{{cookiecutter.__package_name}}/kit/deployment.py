"""Deploy, and work: both against the Prefect API that PREFECT_API_URL or a profile names."""

import os
import platform
import runpy
import subprocess
import sys
from contextlib import chdir, suppress
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from ..settings import Settings
from .deployed import VARIABLE, deployments, is_current, prefect_yaml, remember
from .project import ROOT, commit_tags

# How `git ls-remote --exit-code` ends where the repository answers.
NO_SUCH_BRANCH = 2


def deploy() -> None:
    """Send prefect.yaml to the Prefect API; what is paused there stays paused."""
    Settings()  # its values are copied into the deployments: a password is refused before that
    _check_schedules()
    _check_pushed()
    make_work_pool()
    print(f"Deploying to {api_url()}", flush=True)
    if unset := {*VARIABLE.findall(prefect_yaml())} - {*os.environ}:
        print(f"Not set here, so flow runs take the defaults: {', '.join(sorted(unset))}")
    with get_client(sync_client=True) as client:
        paused = [found.id for found in deployments(client) if found.paused]
        try:
            _prefect("--no-prompt", "deploy", "--all")
        finally:
            for deployment in paused:  # `prefect deploy` resumes it
                client.pause_deployment(deployment)
        remember(client)


def deploy_changes() -> None:
    """Deploy, unless all of it was deployed from here as it is: then edits in the UI stay."""
    with get_client(sync_client=True) as client:
        current = is_current(client)
    if current:
        print(f"Nothing to deploy: {api_url()} has it all", flush=True)
    else:
        deploy()


def _check_schedules() -> None:
    """Raise ValueError if a schedule has no slug: the server would answer 422 once it had one."""
    for deployment in _prefect_yaml()["deployments"]:
        if not all(schedule.get("slug") for schedule in deployment.get("schedules", [])):
            name = f"prefect.yaml: deployment {deployment['name']}"
            raise ValueError(f"{name}: a schedule has no slug; give it one, such as slug: daily")


def _check_pushed() -> None:
    """Raise ValueError if flow runs would clone a branch that is not there."""
    for step in _prefect_yaml()["pull"]:
        for clone in (given for name, given in step.items() if name.endswith(".git_clone")):
            asked = ["git", "ls-remote", "--exit-code", clone["repository"], clone["branch"]]
            silent = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
            done = subprocess.run(asked, cwd=ROOT, env=silent, check=False, capture_output=True)
            where = f"branch {clone['branch']} of {clone['repository']}"
            if done.returncode == NO_SUCH_BRANCH:
                raise ValueError(f"{where}: is not there; push it, then deploy")
            pushed = done.stdout[:40].decode()
            if done.returncode:
                print(f"{where}: cannot be seen from here; workers have to", flush=True)
            elif pushed != commit_tags().get("mlflow.source.git.commit"):
                print(f"{where}: is at {pushed[:7]}, and flow runs take that", flush=True)


def worker(*options: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Run the flow runs of the work pool until Ctrl-C.

    Args:
        options: Options of `prefect worker start`, such as --limit 2.
    """
    pool, name = make_work_pool(), ".".join((platform.node(), *ROOT.parts[1:]))
    _say_who_else_works(pool, name)
    # A flow run of a clone starts with uv: on a bare PATH it would run this folder's code.
    if uv := os.environ.get("UV"):
        os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], str(Path(uv).parent)])
    _prefect("worker", "start", "--pool", pool, "--name", name, *options)


def _say_who_else_works(pool: str, name: str) -> None:
    """Warn where a flow run uses the folder of whichever worker takes it."""
    here = {"prefect.deployments.steps.set_working_directory": {"directory": "."}}
    if here in _prefect_yaml()["pull"]:
        with get_client(sync_client=True) as client:
            found = client.read_workers_for_work_pool(pool)
        others = [other.name for other in found if other.status == "ONLINE" and other.name != name]
        if others:
            problem = f"work pool {pool}: has other workers ({', '.join(others)})"
            print(f"{problem}; each uses its own folder's code, months and models", flush=True)


def _prefect(*words: str) -> None:
    """Run Prefect's command line in this process: a signal finds it, and nothing starts twice."""
    sys.argv[1:] = words
    try:
        with chdir(ROOT):
            runpy.run_module("prefect", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise


def make_work_pool() -> str:
    """Make the work pool of prefect.yaml unless it is there, and return its name."""
    check_api_url()
    definitions = _prefect_yaml()["definitions"]
    name = VARIABLE.sub(lambda found: os.environ[found[1]], definitions["work_pool"]["name"])
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=name, type=definitions["work_pool_type"]))
    return name


def _prefect_yaml() -> dict[str, Any]:
    return dict(yaml.safe_load(prefect_yaml()))


def check_api_url() -> None:
    """Raise ValueError if none is given: Prefect would start a server just for the command."""
    if not api_url():
        raise ValueError("PREFECT_API_URL: not set; name the server in .env or in a profile")


def api_url() -> str | None:
    """Return the address of the Prefect API that the environment, .env or a profile gives."""
    return get_current_settings().api.url
