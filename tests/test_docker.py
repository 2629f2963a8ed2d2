"""The docker work pool: the image, and a flow run in a container."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject
from .containers import Engine, engine
from .lab import prefect_server, process
from .test_deployments import AD_HOC, SMALL, STORE

pytestmark = pytest.mark.slow

IMAGE = "taxi-duration:latest"
VOLUME = "taxi-duration-state"
CODE = """
import importlib.util, json, os
dev = [name for name in ("honcho", "mypy", "pytest") if importlib.util.find_spec(name)]
print(json.dumps({"user": os.getuid(), "dev": dev, "files": sorted(os.listdir("/project"))}))
"""


@pytest.fixture(scope="module")
def docker(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Engine]:
    assert pytestconfig.cache
    with engine(tmp_path_factory.mktemp("docker"), pytestconfig.cache.mkdir("base-image")) as made:
        yield made


@pytest.fixture(scope="module")
def built(bake: Callable[..., BakedProject], docker: Engine) -> BakedProject:
    project = bake(work_pool_type="docker")
    project.run("uv", "sync", "--quiet")
    (project.path / ".env").write_text("SECRET=s3cret\n")
    docker.build(IMAGE, project.path)
    return project


def test_the_image_holds_what_flow_runs_need(docker: Engine, built: BakedProject) -> None:
    found = json.loads(docker.run("run", "--rm", IMAGE, "python", "-c", CODE))
    assert found["user"] != 0
    assert found["dev"] == []
    assert {"data", "src", "prefect.yaml"} <= {*found["files"]}
    assert not {*found["files"]} & {".env", ".git", "tests"}


def test_a_build_without_a_lock_file_says_so(
    docker: Engine, built: BakedProject, tmp_path: Path
) -> None:
    unlocked = tmp_path / "unlocked"
    shutil.copytree(built.path, unlocked, ignore=shutil.ignore_patterns(".venv", "uv.lock"))
    with pytest.raises(AssertionError, match="Unable to find lockfile"):
        docker.build("unlocked", unlocked)


def test_an_edit_leaves_the_layer_of_dependencies(docker: Engine, built: BakedProject) -> None:
    flow = built.path / "src/taxi_duration/flows/training.py"
    for path in (flow, built.path / "README.md"):
        path.write_text(path.read_text() + "# An edit.\n")
    output = docker.build(IMAGE, built.path)
    dependencies = output.partition("--no-install-project")[2]
    assert re.match(r"\s*(\n#\d+ CACHED|--> Using cache)", dependencies), output


def test_a_run_completes_in_a_container(
    docker: Engine, built: BakedProject, project: BakedProject, tmp_path: Path
) -> None:
    with prefect_server(project, tmp_path) as server:
        env: dict[str, Any] = {
            "PREFECT_API_URL": server.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            **docker.env,
        }
        built.run("uv", "run", "poe", "deploy", **env)
        flow_run = server.start(AD_HOC, **SMALL)
        # Not --run-once: podman does not always tell a worker that a container has ended.
        worker = ("uv", "run", "poe", "worker")
        with process(*worker, cwd=built.path, env=built.environment(**env), log=tmp_path / "log"):
            server.wait_for(flow_run)
        assert server.get(f"flow_runs/{flow_run}")["infrastructure_pid"]
    volume = ["run", "--rm", "--volume", f"{VOLUME}:/state", IMAGE]
    found = json.loads(docker.run(*volume, "python", "-c", STORE, "/state").splitlines()[-1])
    assert found == {"champion": "1", "flow_runs": {"1": flow_run}}
    assert not (built.path / "mlflow.db").exists()
