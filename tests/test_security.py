"""What docs/reliability.md promises about secrets, models and servers; see also test_kills.py."""

import re
import secrets
import socket
import sqlite3
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from .conftest import TEMPLATE, BakedProject
from .lab import files_with, prefect_server, serve_http

RENDERED = TEMPLATE / "{{cookiecutter.project_slug}}"
SIGNATURE = secrets.token_hex(16)
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


class Signed(SimpleHTTPRequestHandler):
    """Gives files to whoever has the signature, and breaks at December."""

    def do_GET(self) -> None:
        signed = f"X-Amz-Signature={SIGNATURE}" in self.path
        status = 403 if not signed else 503 if "2024-12" in self.path else 200
        super().do_GET() if status == 200 else self.send_error(status)

    def log_message(self, *_: Any) -> None:
        pass


def columns_with(database: Path, text: str) -> set[str]:
    """Return the columns of an SQLite database that hold a text, as table.column."""
    listed = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        columns = opened.execute(f"{listed} WHERE m.type = 'table'").fetchall()
        query = 'SELECT 1 FROM "{}" WHERE instr(CAST("{}" AS TEXT), ?) LIMIT 1'
        return {
            ".".join(column)
            for column in columns
            if opened.execute(query.format(*column), (text,)).fetchone()
        }


@pytest.mark.slow
def test_a_presigned_address_works_and_its_signature_is_kept_nowhere(
    fresh: BakedProject, tmp_path: Path
) -> None:
    """Only among the parameters that Prefect's server keeps of a flow run, as the page says."""
    state, said = tmp_path / "state", []
    with (
        serve_http(partial(Signed, directory=str(fresh.path / "data"))) as address,
        prefect_server(fresh, tmp_path) as server,
    ):
        env = {"PREFECT_API_URL": server.url, "TAXI_DURATION_STATE_DIR": str(state)}
        query = f"X-Amz-Date=20240101T000000Z&X-Amz-Signature={SIGNATURE}"
        plain = [f"{address}/trips_2024-{month}.parquet" for month in ("01", "02", "12")]
        first, second, broken = (f"{month}?{query}" for month in plain)
        for command in (
            ("train", "--train-paths", first, "--test-path", second),
            ("score", "--paths", second),
            ("score", "--paths", broken),
        ):
            done = fresh.run("uv", "run", "poe", *command, check=command[2] != broken, **env)
            said += f"{done.stdout}\n{done.stderr}".splitlines()
    assert [line for line in said if line.startswith(f"error: {plain[2]}: cannot be read")]
    # poe says on the terminal what was typed there.
    assert not [line for line in said if SIGNATURE in line and not line.startswith("Poe =>")]
    assert pq.read_metadata(state / "predictions/trips_2024-02.parquet").num_rows
    assert "datasets.dataset_source" in columns_with(state / "mlflow.db", plain[0])
    database = tmp_path / "prefect-home/prefect.db"
    assert columns_with(database, SIGNATURE) == {"flow_run.parameters"}
    kept = [*files_with(tmp_path, SIGNATURE), *files_with(fresh.home, SIGNATURE)]
    assert {Path(path).name.removesuffix("-wal") for path in kept} == {"prefect.db"}


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
