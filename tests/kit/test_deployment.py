"""On a team's machines: bare paths, shared servers, pauses, and blocks that cannot notify."""

import json
import os
import runpy
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.settings import PREFECT_API_URL

from .. import PACKAGE, module

automations = module("kit.automations")
commands = module("kit.commands")
deployed = module("kit.deployed")
deployment = module("kit.deployment")
flows = module("flows")
orchestration = module("kit.orchestration")
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
    monkeypatch.setattr(sys, "argv", ["poe"])
    monkeypatch.setattr(
        runpy, "run_module", lambda name, **_: started.append([name, *sys.argv[1:]])
    )
    deployment.worker("--limit", "2")
    assert shutil.which("uv") == uv
    [[program, *words]] = started
    assert [program, *words[:3]] == ["prefect", "worker", "start", "--pool"]
    assert words[-2:] == ["--limit", "2"]


def test_what_is_paused_stays_paused(
    client: SyncPrefectClient, capfd: pytest.CaptureFixture[str]
) -> None:
    deployment.deploy()
    assert f"Deploying to {os.environ['PREFECT_API_URL']}" in capfd.readouterr().out.splitlines()
    others_flow = client.create_flow(flows.score)
    client.create_deployment(others_flow, "of-others", tags=["others"])

    def found() -> dict[str, Any]:
        return {f"{d.flow_id}/{d.name}": d for d in client.read_deployments()}

    before = found()
    ad_hoc, daily = (
        next(d for name, d in before.items() if name.endswith(end)) for end in ("/ad-hoc", "/daily")
    )
    client.pause_deployment(ad_hoc.id)
    [schedule] = client.read_deployment_schedules(daily.id)
    client.update_deployment_schedule(daily.id, schedule.id, active=False)
    deployment.deploy()
    after = found()
    assert {name: d.id for name, d in after.items()} == {name: d.id for name, d in before.items()}
    assert [d.name for d in after.values() if d.paused] == ["ad-hoc"]
    assert client.read_deployment_schedules(daily.id)[0].id == schedule.id
    assert not client.read_deployment_schedules(daily.id)[0].active


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """What edits prefect.yaml, in a folder of its own."""

    def replace(old: str, new: str) -> None:
        yaml = (deployment.ROOT / "prefect.yaml").read_text()
        assert old in yaml
        (tmp_path / "prefect.yaml").write_text(yaml.replace(old, new))
        for reader in (deployment, deployed):
            monkeypatch.setattr(reader, "ROOT", tmp_path)

    return replace


def test_the_platform_deploys_what_changed(
    client: SyncPrefectClient,
    edit: Callable[[str, str], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """And what a person edited in the UI stays until then."""

    def deploys() -> bool:
        deployment.deploy_changes()
        told = capfd.readouterr().out
        assert ("Deploying to " in told) != ("Nothing to deploy: " in told)
        return "Deploying to " in told

    def window() -> int:
        [ad_hoc] = (d for d in deployed.deployments(client) if d.name == "ad-hoc")
        client.update_deployment(ad_hoc.id, DeploymentUpdate(parameters={"window": 7}))
        return ad_hoc.parameters.get("window", 0)

    assert deploys()
    window()
    assert not deploys()
    assert window() == 7
    edit("max_rounds: 300", "max_rounds: 200")
    assert deploys()
    assert window() == 0
    assert not deploys()
    client.delete_deployment(deployed.deployments(client)[0].id)
    assert deploys()
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.setattr(deployed, "PACKAGE_FOLDER", code)
    assert deploys()
    (code / "flows.py").write_text("# A parameter more.")
    assert deploys()
    assert not deploys()


def test_a_schedule_needs_a_slug(
    client: SyncPrefectClient, edit: Callable[[str, str], None]
) -> None:
    """One that was deployed with a slug cannot be deployed without: the server answers 422."""
    edit("- slug: monthly\n        cron", "- cron")
    with pytest.raises(
        ValueError, match=r"^prefect.yaml: deployment monthly: a schedule has no slug"
    ):
        deployment.deploy()


def test_what_is_not_set_is_said_before_the_run(
    client: SyncPrefectClient,
    edit: Callable[[str, str], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edit(
        "OMP_WAIT_POLICY: PASSIVE",
        'OMP_WAIT_POLICY: "{{ $OMP }}"\n        B: "{{ $BUCKET_OF_US }}"',
    )
    monkeypatch.setenv("OMP", "ACTIVE")
    deployment.deploy()
    told = "Not set here, so flow runs take the defaults: BUCKET_OF_US"
    assert told in capfd.readouterr().out.splitlines()


def test_the_pool_may_be_named_by_a_variable(
    client: SyncPrefectClient, edit: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(f'name: "{deployment.make_work_pool()}"', 'name: "{{ $WORK_POOL }}"')
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


@contextmanager
def answering(code: int, body: bytes = b"OK") -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each request one answer; yield its address, and the bodies it gets."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 the library's name

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", sent
        http.shutdown()


def save_webhook(url: str) -> str:
    block: Any = CustomWebhookNotificationBlock
    block(name="team", url=url, json_data={"text": "{{body}}"}).save("team", overwrite=True)
    return "custom-webhook/team"


def test_messages_are_switched_on_and_off(client: SyncPrefectClient) -> None:
    webhook = save_webhook("http://127.0.0.1:1")

    def found() -> set[str]:
        of_ours = f"{PROJECT}: report {{}}"
        return {
            s for s in automations.SUBJECTS if client.read_automations_by_name(of_ours.format(s))
        }

    automations.automations(webhook)
    assert found() == {"failure", "drift", "promotion", "refusal"}
    automations.automations(webhook, about=("success", "drift"))
    assert found() == {"success", "drift"}
    automations.automations(webhook, about=())
    assert found() == set()


def test_a_message_is_sent_to_see_whether_it_arrives(
    client: SyncPrefectClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(200) as (url, sent):
        automations.automations(save_webhook(url), about=(), test=True)
    assert [json.loads(body) for body in sent] == [{"text": f"Messages of {PROJECT} arrive here."}]
    assert capsys.readouterr().out.endswith("custom-webhook/team: a message was sent\n")
    refused = r"^custom-webhook/team: a message was not taken \(.+\); edit the block$"
    with answering(403) as (url, _), pytest.raises(OSError, match=refused):
        automations.automations(save_webhook(url), about=(), test=True)
    with pytest.raises(OSError, match=refused):  # nobody is there any more
        automations.automations("custom-webhook/team", about=(), test=True)


class Mailbox(StreamRequestHandler):
    """A mail server's side of SMTP, as far as one message needs it."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        lines: list[bytes] | None = None  # of a message, while it comes
        for line in self.rfile:
            if lines is not None and line != b".\r\n":
                lines.append(line)
                continue
            if lines is not None:
                cast("Any", self.server).sent.append(b"".join(lines).decode())
            lines = [] if line.upper().startswith(b"DATA") else None
            self.wfile.write(b"354 go\r\n" if lines == [] else b"250 ok\r\n")


@pytest.mark.usefixtures("client")
def test_a_message_is_an_email() -> None:
    """Through a mail server of one's own, as the page says."""
    with ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        sent: list[str] = []
        server.sent = sent  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"mailto://127.0.0.1:{server.server_address[1]}/?mode=insecure"
        slack: Any = SlackWebhook
        slack(url=f"{url}&from=prefect@example.org&to=ada@example.org").save("mail")
        automations.automations("slack-webhook/mail", about=(), test=True)
        server.shutdown()
    [message] = sent
    assert f"Subject: {PROJECT}\r\n" in message
    assert "To: ada@example.org" in message
    assert "arrive here" in message


def test_automations_are_about_this_project_only(client: SyncPrefectClient) -> None:
    automations.automations()
    automations.automations()
    made: Any
    [made] = client.read_automations_by_name(f"{PROJECT}: mark dead flow runs as crashed")
    assert made.trigger.match_related.root == {"prefect.resource.id": f"prefect.tag.{PROJECT}"}


def test_an_mlflow_that_nobody_named_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another project's, perhaps, and would get this one's models."""
    with answering(200) as (url, _):
        server = platform.Server("mlflow", "MLFLOW_TRACKING_URI", url, b"OK", [])
        assert server.runs()
        with pytest.raises(ValueError, match=rf"^mlflow: a server is at {url} already; set MLFLOW"):
            server.refuse_other_projects()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        server.refuse_other_projects()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (401, "set PREFECT_API_AUTH_STRING"),
        (404, "look at PREFECT_API_URL (such as http://host:4200/api)"),  # it has no /api
        (500, "look at PREFECT_API_URL"),
    ],
)
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
    such = "(such as http://host:4200/api)"
    line = f"{away}; start it (uv run poe up), or change PREFECT_API_URL {such}"
    assert commands.advice(away) == line


def test_an_address_without_api_is_one_line(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(client.api_url).rstrip("/").removesuffix("/api")
    monkeypatch.setenv("PREFECT_API_URL", url)
    command = [sys.executable, "-m", PACKAGE, "deploy"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: the Prefect API cannot be used (")
    assert line.endswith("; look at PREFECT_API_URL (such as http://host:4200/api)")


def test_a_package_that_is_not_there_is_named() -> None:
    """A clone has no dependency groups: `tune` lacks optuna there, for example."""
    missing = ModuleNotFoundError("No module named 'optuna.samplers'", name="optuna.samplers")
    assert commands.advice(missing) == "optuna is needed here; `uv add optuna`"
    typo = ModuleNotFoundError("No module named 'pandsa'", name="pandsa")
    assert commands.advice(typo) is None
    assert not orchestration.is_retryable(None, None, SimpleNamespace(data=missing))
    assert orchestration.is_retryable(None, None, SimpleNamespace(data=OSError("away")))
