"""prefect.yaml, checked without a server: Prefect passes over most typos in silence."""

from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import construct_schedule
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.importtools import import_object

from . import ROOT, module

PROJECT = module("kit.project").PROJECT
FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
REQUIRED = {"name", "description", "entrypoint", "work_pool"}
OPTIONAL = {
    *("tags", "parameters", "schedules", "concurrency_limit", "triggers", "version"),
    *("enforce_parameter_schema", "build", "push", "pull"),
}
each_deployment = pytest.mark.parametrize(
    "deployment", FILE["deployments"], ids=lambda deployment: deployment["name"]
)


def test_no_name_is_used_twice() -> None:
    names = [(deployment["entrypoint"], deployment["name"]) for deployment in FILE["deployments"]]
    assert len(names) == len({*names})


@each_deployment
def test_prefect_knows_every_key(deployment: dict[str, Any]) -> None:
    assert deployment.keys() >= REQUIRED
    assert deployment.keys() <= REQUIRED | OPTIONAL
    assert deployment["work_pool"].keys() <= {"name", "work_queue_name", "job_variables"}
    assert deployment["work_pool"]["name"]


@each_deployment
def test_automations_know_it_by_its_tag(deployment: dict[str, Any]) -> None:
    assert PROJECT in deployment["tags"]


@each_deployment
def test_the_flow_takes_the_parameters(deployment: dict[str, Any]) -> None:
    flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])
    given = deployment.get("parameters", {})
    assert given.keys() <= flow.parameters.properties.keys()
    if missing := {*flow.parameters.required} - given.keys():
        starts_itself = deployment.keys() & {"schedules", "triggers"}
        assert not starts_itself, f"only a person is asked for {missing}"
    else:
        flow.validate_parameters(given)


@each_deployment
def test_schedules_are_valid_and_name_their_time_zone(deployment: dict[str, Any]) -> None:
    for schedule in deployment.get("schedules", []):
        timing = {
            key: value
            for key, value in schedule.items()
            if key not in {"active", "parameters", "slug"}
        }
        construct_schedule(**timing)
        assert schedule["timezone"]


def test_the_pull_steps_exist() -> None:
    for step in FILE["pull"]:
        [name] = step
        assert callable(import_object(name))
