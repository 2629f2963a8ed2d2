"""On a team's machines: bare paths, shared servers, pauses, and blocks that cannot notify."""

import os
import shutil
import ssl
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL

from .. import ROOT, module

automations = module("kit.automations")
commands = module("kit.commands")
deployment = module("kit.deployment")
flows = module("flows")
platform = module("kit.platform")
PROJECT = module("kit.project").PROJECT


@pytest.fixture
def client(prefect_harness: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """A client of the server, which is also that of the commands that are started."""
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    with get_client(sync_client=True) as made:
        yield made


@pytest.mark.usefixtures("client")
def test_a_worker_finds_uv_on_a_bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow run of a clone starts with uv, or else with the code of this folder."""
    uv, started = shutil.which("uv"), []
    monkeypatch.setenv("UV", str(uv))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command))
    deployment.worker("--limit", "2")
    assert shutil.which("uv") == uv
    [(python, words)] = started
    assert python == sys.executable
    assert words[-2:] == ["--limit", "2"]


def test_what_is_paused_stays_paused(client: SyncPrefectClient) -> None:
    deployment.deploy()
    others_flow = client.create_flow(flows.score)
    client.create_deployment(others_flow, "of-others", tags=["others"])

    def found() -> dict[str, Any]:
        return {f"{d.flow_id}/{d.name}": d for d in client.read_deployments()}

    before = found()
    monthly, daily = (
        next(d for name, d in before.items() if name.endswith(end))
        for end in ("/monthly", "/daily")
    )
    client.pause_deployment(monthly.id)
    [schedule] = client.read_deployment_schedules(daily.id)
    client.update_deployment_schedule(daily.id, schedule.id, active=False)
    deployment.deploy()
    after = found()
    assert {name: d.id for name, d in after.items()} == {name: d.id for name, d in before.items()}
    assert [d.name for d in after.values() if d.paused] == ["monthly"]
    assert client.read_deployment_schedules(daily.id)[0].id == schedule.id
    assert not client.read_deployment_schedules(daily.id)[0].active


def test_the_pool_may_be_named_by_a_variable(
    client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = (ROOT / "prefect.yaml").read_text()
    pool = deployment.make_work_pool()
    named = yaml.replace(f'name: "{pool}"', 'name: "{{ $WORK_POOL }}"')
    assert named != yaml
    (tmp_path / "prefect.yaml").write_text(named)
    monkeypatch.setattr(deployment, "ROOT", tmp_path)
    monkeypatch.setenv("WORK_POOL", "pool-of-staging")
    assert deployment.make_work_pool() == "pool-of-staging"
    assert client.read_work_pool("pool-of-staging").type == "process"


def test_only_a_block_that_notifies_is_taken(client: SyncPrefectClient) -> None:
    password: Any = Secret
    password(value="hush").save("password", overwrite=True)
    with pytest.raises(ValueError, match=r"^secret/password: cannot notify; name a block such as"):
        automations.automations("secret/password")
    with pytest.raises(ValueError, match=r"^slack-webhook/none: no such block; make one"):
        automations.automations("slack-webhook/none")


def test_automations_are_about_this_project_only(client: SyncPrefectClient) -> None:
    automations.automations()
    automations.automations()
    made: Any
    [made] = client.read_automations_by_name(f"{PROJECT}: mark dead flow runs as crashed")
    assert made.trigger.match_related.root == {"prefect.resource.id": f"prefect.tag.{PROJECT}"}


def test_an_mlflow_that_nobody_named_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another project's, perhaps, and would get this one's models."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_port}"
        server = platform.Server("mlflow", "MLFLOW_TRACKING_URI", url, b"OK", [])
        assert server.runs()
        with pytest.raises(ValueError, match=rf"^mlflow: a server is at {url} already; set MLFLOW"):
            server.refuse_other_projects()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        server.refuse_other_projects()
        http.shutdown()


@pytest.mark.parametrize(("code", "advice"), [(401, "set PREFECT_API_AUTH_STRING"), (500, "look")])
def test_what_a_prefect_server_refuses_is_one_line(code: int, advice: str) -> None:
    request = httpx.Request("POST", "http://host/api/deployments")
    answer = httpx.Response(code, request=request)
    line = commands.advice(
        httpx.HTTPStatusError(f"{code} of host", request=request, response=answer)
    )
    assert advice in line
    assert "\n" not in line


def test_a_certificate_that_is_not_known_is_no_server_to_start() -> None:
    refused = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")
    away = RuntimeError("Failed to reach API at https://host/api/")
    for error in (away, httpx.ConnectError("cannot connect")):
        error.__cause__ = refused
        line = commands.advice(error)
        assert line.startswith("the Prefect API is not trusted ([SSL: CERTIFICATE_VERIFY_FAILED]")
        assert line.endswith("; name its CA in PREFECT_API_SSL_CERT_FILE")
    away.__cause__ = httpx.ConnectError("Connection refused")
    assert commands.advice(away) == f"{away}; start it (uv run poe up), or change PREFECT_API_URL"
