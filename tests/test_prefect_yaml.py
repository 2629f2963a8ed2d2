"""prefect.yaml says what the pages say: what runs when, one at a time, and on which event."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from .conftest import BakedProject

Bake = Callable[..., BakedProject]
# By flow and name: the cron line and what the trigger waits for.
EXPECTED = {
    "train/monthly": ("15 4 2 * *", None),
    "train/ad-hoc": (None, None),
    "score/daily": ("0 7 * * *", None),
    "monitor/daily": ("0 6 * * *", None),
    "retrain/on-drift": (None, "taxi-duration.drift"),
    "promote/by-hand": (None, None),
    "clean/monthly": (None, None),  # its schedule is not active
}
# What only one machine has.
OF_THE_MACHINE = {"TAXI_DURATION_STATE_DIR", "TAXI_DURATION_DASK_SCHEDULER"}


def prefect_yaml(project: BakedProject) -> Any:
    return yaml.safe_load((project.path / "prefect.yaml").read_text())


def deployments(project: BakedProject) -> dict[str, Any]:
    """Return the deployments by flow and name, such as train/monthly."""
    found = prefect_yaml(project)["deployments"]
    return {f"{one['entrypoint'].rpartition('.')[2]}/{one['name']}": one for one in found}


@pytest.fixture(scope="module", params=["local-process", "local-docker", "git-process"])
def baked(bake: Bake, request: pytest.FixtureRequest) -> BakedProject:
    storage, pool = request.param.split("-")
    return bake(storage=storage, work_pool_type=pool, schedule="15 4 2 * *", init_git=False)


def test_each_deployment_runs_when_the_page_says(baked: BakedProject) -> None:
    found = deployments(baked)
    assert found.keys() == EXPECTED.keys()
    page = (baked.path / "docs/deployments.md").read_text()
    told = dict(re.findall(r"^\| `taxi-duration-(\w+/[\w-]+)` \| (.*?) \|", page, re.MULTILINE))
    assert told.keys() == EXPECTED.keys()
    for name, (cron, event) in EXPECTED.items():
        schedules, triggers = (found[name].get(kind, []) for kind in ("schedules", "triggers"))
        if name == "clean/monthly":  # somebody switches it on
            [off] = schedules
            assert off == {
                "slug": "monthly",
                "cron": "0 5 1 * *",
                "timezone": "UTC",
                "active": False,
            }
            schedules = []
        wanted = {"slug": found[name]["name"], "cron": cron, "timezone": "UTC"}
        assert schedules == ([wanted] if cron else []), name
        assert [trigger["expect"] for trigger in triggers] == ([[event]] if event else []), name
        if cron:
            minute, hour, *days = cron.split()
            daily = f"{hour}:{minute:0>2} UTC"
            assert told[name] == (daily if days == ["*"] * 3 else f"`{cron}` (UTC)")


def test_each_deployment_runs_once_at_a_time_in_the_work_pool(baked: BakedProject) -> None:
    for name, deployment in deployments(baked).items():
        assert deployment["concurrency_limit"] == 1, name
        assert deployment["work_pool"]["name"] == "taxi-duration-pool", name
        assert deployment["work_pool"]["job_variables"]["env"]["OMP_WAIT_POLICY"] == "PASSIVE"
        assert "taxi-duration" in deployment["tags"], name
        assert deployment["entrypoint"].startswith("taxi_duration.flows."), name


def test_the_trigger_waits_for_what_monitor_emits(baked: BakedProject) -> None:
    package = baked.path / "src/taxi_duration"
    [trigger] = deployments(baked)["retrain/on-drift"]["triggers"]
    for file, pattern, told in (
        ("flows/monitoring.py", r'announce\("(.*?)"', trigger["expect"][0]),
        (
            "kit/events.py",
            r'"prefect.resource.id": f"(.*?)"',
            trigger["match"]["prefect.resource.id"],
        ),
    ):
        [emitted] = re.findall(pattern, (package / file).read_text())
        assert told == emitted.replace("{PROJECT}", "taxi-duration").replace(
            "drift", "taxi-duration.drift"
        )


def test_a_container_gets_every_setting_but_the_machines(bake: Bake) -> None:
    project = bake(work_pool_type="docker", init_git=False)
    names = set(re.findall(r"\bTAXI_DURATION_\w+", (project.path / ".env.example").read_text()))
    for deployment in deployments(project).values():
        env = deployment["work_pool"]["job_variables"]["env"]
        assert {n for n in env if n.startswith("TAXI_")} - OF_THE_MACHINE == names - OF_THE_MACHINE
        copied = {n: v for n, v in env.items() if "{{" in v}
        assert copied == {name: f"{{{{ ${name} }}}}" for name in copied}
        assert env["TAXI_DURATION_STATE_DIR"] == "/state"
        assert {"taxi-duration-state:/state"} == {
            *deployment["work_pool"]["job_variables"]["volumes"]
        }


def test_no_registry_is_asked_for_an_image_of_this_machine(bake: Bake) -> None:
    for deployment in deployments(bake(work_pool_type="docker", init_git=False)).values():
        variables = deployment["work_pool"]["job_variables"]
        assert (variables["image"], variables["image_pull_policy"]) == (
            "taxi-duration:latest",
            "Never",
        )


def test_a_clone_is_of_the_branch_that_was_answered(bake: Bake) -> None:
    answers = {"git_repository": "https://git.example/a/b.git", "git_branch": "trunk"}
    [step] = prefect_yaml(bake(storage="git", init_git=False, **answers))["pull"]
    [clone] = step.values()
    assert clone == {"repository": answers["git_repository"], "branch": "trunk"}


def test_what_must_outlive_a_clone_lies_elsewhere(bake: Bake) -> None:
    for deployment in deployments(bake(storage="git", init_git=False)).values():
        env = deployment["work_pool"]["job_variables"]["env"]
        assert env["TAXI_DURATION_STATE_DIR"] == "~/.local/share/taxi-duration"
        assert env["PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES"] == "true"
