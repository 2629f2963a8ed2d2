"""What docs/reliability.md promises about secrets, models and servers."""

import re
import secrets
import socket
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject
from .deployed import deploy
from .lab import Lab
from .services import PrefectServer

RENDERED = TEMPLATE / "{{cookiecutter.project_slug}}"
SECRETS = {
    name: f"planted:{secrets.token_hex(8)}"
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_TOKEN",
        "PGPASSWORD",
        "PREFECT_API_AUTH_STRING",
    )
}
"""What a machine may have in its environment."""

UNTRUSTED = """
import sys
from pathlib import Path
from PACKAGE import training
import os, pickle, skops.io
path = Path(sys.argv[1])
class Attack:
    def __reduce__(self):
        return os.system, (f"touch {path}.attacked",)
for dump, attack in ((pickle.dumps, Attack()), (skops.io.dumps, os.system)):
    path.write_bytes(dump(attack))
    try:
        training.load(path)
    except Exception as error:
        print(type(error).__name__)
    else:
        print("loaded")
"""


def holding(folder: Path, secret: str) -> list[str]:
    """The files under a folder that hold a secret."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts)
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.slow
def test_no_secret_is_kept_anywhere(
    project: BakedProject, shared_server: PrefectServer, tmp_path: Path
) -> None:
    """Not in logs, results, MLflow's store, Prefect's database, prefect.yaml or git."""
    lab = Lab(project, tmp_path, shared_server.url)
    lab.secrets = SECRETS
    deployed = deploy(lab, shared_server)
    with deployed.worker():
        run = deployed.run(1)
        assert deployed.end(run) == "COMPLETED", shared_server.logs(run)
    servers = tmp_path.parent.glob("server*")
    for folder in (tmp_path, project.path, project.home, *servers):
        for secret in SECRETS.values():
            assert not holding(folder, secret.partition(":")[2])
    assert holding(tmp_path, "max_rounds")  # the search finds what is there


@pytest.mark.slow
def test_models_of_other_types_are_refused(project: BakedProject, tmp_path: Path) -> None:
    code = UNTRUSTED.replace("PACKAGE", project.package)
    done = project.run("uv", "run", "python", "-c", code, str(tmp_path / "model.skops"))
    assert done.stdout.split() == ["BadZipFile", "UntrustedTypesFoundException"]
    assert not (tmp_path / "model.skops.attacked").exists()


@pytest.mark.slow
def test_pre_commit_finds_a_secret(fresh: BakedProject) -> None:
    command = ("uv", "run", "pre-commit", "run", "detect-secrets", "--all-files")
    fresh.run("git", "add", "--all")
    fresh.run(*command)
    planted = fresh.path / "src/taxi_duration/planted.py"
    planted.write_text('AWS_KEY = "AKIA' + "IOSFODNN7EXAMPLQ" + '"\n')
    fresh.run("git", "add", "--all")
    done = fresh.run(*command, check=False)
    assert done.returncode
    assert "src/taxi_duration/planted.py:1" in done.stdout


@pytest.mark.slow
def test_the_dependencies_have_no_known_holes(project: BakedProject) -> None:
    try:
        socket.create_connection(("api.osv.dev", 443), timeout=10).close()
    except OSError as error:
        pytest.skip(f"the database of vulnerabilities cannot be reached: {error}; CI asks it")
    project.run("uv", "run", "poe", "audit")


def test_servers_listen_on_loopback_unless_told() -> None:
    for path in (RENDERED / "src").rglob("*.py"):
        assert "0.0.0.0" not in path.read_text(), path
    serving = next(RENDERED.glob("src/*/serving.py")).read_text()
    assert 'host: str = "127.0.0.1"' in serving


def test_exceptions_from_the_security_rules_have_a_reason() -> None:
    """Each of ruff's S rules that is off somewhere has a comment that says why."""
    lines = (RENDERED / "pyproject.toml").read_text().splitlines()
    for path in (RENDERED / "src").rglob("*.py"):
        lines += path.read_text().splitlines()
    excepted = [line for line in lines if re.search(r"noqa: .*S\d{3}|\[.*\"S\d{3}\"", line)]
    assert len(excepted) >= 4
    for line in excepted:
        assert re.search(r"# [a-z][\w']*,? \w+ \w+|# noqa: S\d{3} [a-z]", line), line
