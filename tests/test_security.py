"""What docs/reliability.md promises about secrets, models and servers; see also test_kills.py."""

import re
import socket
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject

RENDERED = TEMPLATE / "{{cookiecutter.project_slug}}"
UNTRUSTED = """
import sys
from pathlib import Path
from PACKAGE.kit.modelling import pipeline
import os, pickle, skops.io
path = Path(sys.argv[1])
class Attack:
    def __reduce__(self):
        return os.system, (f"touch {path}.attacked",)
for dump, attack in ((pickle.dumps, Attack()), (skops.io.dumps, os.system)):
    path.write_bytes(dump(attack))
    try:
        pipeline.load(path)
    except Exception as error:
        print(type(error).__name__)
    else:
        print("loaded")
"""


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
def test_the_dependencies_have_no_known_vulnerabilities(project: BakedProject) -> None:
    try:
        socket.create_connection(("api.osv.dev", 443), timeout=10).close()
    except OSError as error:
        pytest.skip(f"the database of vulnerabilities cannot be reached: {error}; CI asks it")
    project.run("uv", "run", "poe", "audit")


def test_servers_listen_on_loopback_unless_told() -> None:
    for path in (RENDERED / "src").rglob("*.py"):
        assert "0.0.0.0" not in path.read_text(), path
    serving = next(RENDERED.glob("src/*/kit/serving/command.py")).read_text()
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
