"""What a bake renders: exactly these files, all whole, always the same."""

import json
import re
import tomllib
from collections.abc import Callable
from itertools import product

import pytest
import yaml

from .conftest import TEMPLATE, BakedProject

Bake = Callable[..., BakedProject]
QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text())
CHOICES = {name: v for name, v in QUESTIONS.items() if isinstance(v, list) and name[0] != "_"}
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]


def test_exactly_these_files(bake: Bake) -> None:
    listed = (TEMPLATE / "tests" / "files.txt").read_text().split()
    assert bake().files == sorted(listed)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=lambda answers: "-".join(answers.values()))
def test_every_combination_renders_whole_files(bake: Bake, answers: dict[str, str]) -> None:
    project = bake(**answers, init_git=False)
    assert ("LICENSE" in project.files) == (answers["license"] != "none")
    # What starts containers stays outside of them.
    services = yaml.safe_load((project.path / "compose.yaml").read_text())["services"]
    assert ("worker" in services) == (answers["work_pool_type"] == "process")
    for name in project.files:
        path = project.path / name
        assert not re.search(r"cookiecutter|[{}]", name), f"left over in a name: {name}"
        if path.suffix == ".parquet":
            continue
        text = path.read_text()
        assert "cookiecutter." not in text, f"left over in {name}"
        assert "{%" not in text.replace("${%", ""), f"left over in {name}"
        assert text.endswith("\n") or not text, f"no newline at the end of {name}"
        assert "\n\n\n\n" not in text, f"holes in {name}"
        assert not re.search(r"[ \t]$", text, re.MULTILINE), f"trailing spaces in {name}"
        if path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix in {".yaml", ".yml"}:
            yaml.safe_load(text)
        elif path.suffix == ".py":
            compile(text, name, "exec")


def test_two_bakes_are_equal_to_the_byte(bake: Bake) -> None:
    one, two = bake(), bake()
    assert one.files == two.files
    for name in one.files:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


def test_python_and_workflows_are_not_rendered(bake: Bake) -> None:
    project = bake(project_name="Some Thing Else")
    package = TEMPLATE / "{{cookiecutter.project_slug}}/src/{{cookiecutter.__package_name}}"
    for path in package.rglob("*.py"):
        name = path.relative_to(package)
        assert (project.path / "src/some_thing_else" / name).read_bytes() == path.read_bytes()
    for path in (package.parents[1] / ".github").rglob("*.yml"):
        name = path.relative_to(package.parents[1])
        assert (project.path / name).read_bytes() == path.read_bytes()


def test_sources_are_at_home_in_their_rooms(bake: Bake) -> None:
    src = bake().path / "src/taxi_duration"
    sources = {p.relative_to(src).as_posix(): p.read_text() for p in src.rglob("*.py")}
    sources = {name: text for name, text in sources.items() if not name.startswith("examples/")}
    importing = {
        library: {
            name
            for name, text in sources.items()
            if re.search(rf"^\s*(import|from) {library}\b", text, re.MULTILINE)
        }
        for library in ("prefect", "mlflow")
    }
    rooms = {"artifacts", "cleaning", "promotions", "registry", "runs", "saved_model", "tracking"}
    rooms |= {"model_logging", "transfer"}
    assert importing["mlflow"] == {f"kit/{room}.py" for room in rooms}
    flows = {"monitoring", "promotion", "scoring", "training", "tuning"}
    flow_files = {f"flows/{name}.py" for name in flows}
    task_files = {*flow_files, "flows/shared.py"}
    rooms = {"automations", "deployed", "deployment", "events", "housekeeping"}
    rooms |= {"orchestration", "postgres", "status"}
    assert importing["prefect"] == {*task_files, *(f"kit/{room}.py" for room in rooms)}
    decorated = {
        kind: {name for name, text in sources.items() if re.search(rf"^@{kind}\b", text, re.M)}
        for kind in ("flow", "task")
    }
    # The one task of `promote` is also one of `train`; nobody reads `clean` to learn of flows.
    assert decorated == {
        "flow": flow_files | {"kit/housekeeping.py"},
        "task": task_files - {"flows/promotion.py"},
    }


def test_a_container_gets_the_settings_that_are_no_secret(bake: Bake) -> None:
    """A flow run in a container has no .env: what is not named there is lost without a word."""
    project = bake(work_pool_type="docker", storage="git", init_git=False)
    settings = re.findall(r"^# (\w+)=", (project.path / ".env.example").read_text(), re.MULTILINE)
    assert len(settings) > 10
    prefect_yaml = yaml.safe_load((project.path / "prefect.yaml").read_text())
    env = prefect_yaml["definitions"]["work_pool"]["job_variables"]["env"]
    # The worker hands on the address of Prefect's API by itself; two are for compose.yaml.
    assert {*settings} - {*env} == {"PREFECT_API_URL", "POSTGRES_PASSWORD", "TEAM_ADDRESS"}
    for name in {*settings} & {*env} - {"TAXI_DURATION_STATE_DIR"}:
        assert env[name] == f"{{{{ ${name} }}}}"
    # The clone runs in the image's environment: nothing is installed again.
    dockerfile = (project.path / "Dockerfile").read_text()
    assert env["UV_PROJECT_ENVIRONMENT"] == "/project/.venv"
    assert "ENV PATH=/project/.venv/bin:" in dockerfile
