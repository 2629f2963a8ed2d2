"""The hook after the bake: git and the work pool, with all that may be missing or broken."""

import contextlib
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hooks import post_gen_project as hook
from hooks import pre_gen_project

from .conftest import BakedProject
from .lab import free_port, prefect_server

ANSWERS = {question: example for question, (example, _) in pre_gen_project.QUESTIONS.items()}
ANSWERS |= pre_gen_project.SWITCHES | {
    "_output_dir": "elsewhere",
    "__package_name": "taxi_duration",
}
REMOTE = {"storage": "git", "git_repository": "https://example.com/ada/taxi.git"}
USER = "[user]\n  name = Ada\n  email = ada@example.com\n"


def git(*arguments: str) -> str:
    """Run git in the current folder, with nothing of the machine's own settings."""
    return subprocess.run(
        ["git", *arguments], capture_output=True, check=True, encoding="utf-8"
    ).stdout


def commits() -> list[str]:
    return git("log", "--format=%s", "--all").splitlines()


def run_later(line: str) -> None:
    """Run what a line says to run later."""
    subprocess.run(line.partition("Later: ")[2], shell=True, check=True, capture_output=True)


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write git's settings; at first there is a user and no more."""
    for name in os.environ:
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def configure(settings: str) -> None:
        config.write_text(settings)

    configure(USER)
    return configure


@pytest.fixture
def folder(
    tmp_path: Path, configure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A small project to commit, which is the current folder."""
    project = tmp_path / "out" / "taxi-duration"
    (project / "data").mkdir(parents=True)
    (project / "data/trips_2024-01.parquet").write_bytes(b"PAR1")
    (project / ".gitignore").write_text(".env\n")
    monkeypatch.chdir(project)
    return project


def test_one_commit_of_everything_on_main(folder: Path) -> None:
    assert hook.first_commit(folder) == ""
    assert commits() == ["Generate the project"]
    assert git("branch", "--show-current") == "main\n"
    assert git("ls-files").split() == [".gitignore", "data/trips_2024-01.parquet"]
    assert git("status", "--porcelain") == ""


def test_what_a_user_ignores_everywhere_is_committed(
    folder: Path, configure: Callable[[str], None]
) -> None:
    (folder.parent / "ignore").write_text("data/\n*.parquet\n")
    configure(f"{USER}[core]\n  excludesFile = {folder.parent / 'ignore'}\n")
    assert hook.first_commit(folder) == ""
    assert "data/trips_2024-01.parquet" in git("ls-files")


def test_no_git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setenv("PATH", str(folder))
        report = hook.first_commit(folder)
    assert report.startswith("Git: not set up (")
    assert not (folder / ".git").exists()
    run_later(report)
    assert commits() == ["Generate the project"]


BROKEN = {
    "no user": ("[user]\n  useConfigOnly = true\n", USER),
    "a signer that fails": (f"{USER}[commit]\n  gpgSign = true\n[gpg]\n  program = false\n", USER),
    "no signer": (f"{USER}[commit]\n  gpgSign = true\n[gpg]\n  program = /no/gpg\n", USER),
    "hooks that fail": (f"{USER}[core]\n  hooksPath = ../hooks\n", USER),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_git_lacks_leaves_everything_staged(
    folder: Path, configure: Callable[[str], None], fault: str
) -> None:
    broken, repaired = BROKEN[fault]
    configure(broken)
    add_hook(folder.parent / "hooks", "prepare-commit-msg")
    report = hook.first_commit(folder)
    assert report.startswith("Git: all is staged, not committed (")
    assert "\n" not in report
    assert git("diff", "--cached", "--name-only").split() == git("ls-files").split() != []
    assert git("symbolic-ref", "HEAD") == "refs/heads/main\n"
    configure(repaired)
    run_later(report)
    assert commits() == ["Generate the project"]


def add_hook(folder: Path, name: str) -> None:
    """Make a git hook that fails, and says nothing."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\nexit 1\n")
    (folder / name).chmod(0o755)


def test_hooks_that_check_commits_are_passed_over(
    folder: Path, configure: Callable[[str], None]
) -> None:
    configure(f"{USER}[core]\n  hooksPath = ../hooks\n")
    add_hook(folder.parent / "hooks", "pre-commit")
    add_hook(folder.parent / "hooks", "commit-msg")
    assert hook.first_commit(folder) == ""
    assert commits() == ["Generate the project"]


def test_no_repository_in_a_repository(folder: Path) -> None:
    git("init", "--quiet", str(folder.parents[1]))
    report = hook.first_commit(folder)
    assert f"in the repository {folder.parents[1]}." in report
    assert not (folder / ".git").exists()
    following = hook.next_steps(ANSWERS | REMOTE, folder)
    assert not any("git remote" in line for line in following)
    run_later(f"{report} -m mine")
    assert git("ls-files", "--full-name").split()[0] == "out/taxi-duration/.gitignore"


def test_no_commit_in_a_worktree_of_another(folder: Path) -> None:
    (folder.parent / ".git").write_text("gitdir: ../elsewhere\n")
    assert f"in the repository {folder.parent}." in hook.first_commit(folder)
    assert not (folder / ".git").exists()


def test_a_git_hook_that_bakes_leaves_its_repository_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git("init", "--quiet", str(other))
    with monkeypatch.context() as inside:
        inside.setenv("GIT_DIR", str(other / ".git"))
        inside.setenv("GIT_WORK_TREE", str(other))
        inside.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
        inside.setenv("GIT_AUTHOR_NAME", "Bob")
        assert hook.first_commit(folder) == ""
    assert git("log", "--format=%an") == "Bob\n"  # other variables hold
    assert not (other / ".git/index").exists()
    assert git("-C", str(other), "for-each-ref") == ""


def test_cruft_gets_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook.main(ANSWERS | {"_commit": "0123abc", "create_work_pool": True})
    assert not (folder / ".git").exists()
    assert capsys.readouterr() == ("", "")


CASES = {
    "default": {},
    "no git": {"init_git": False},
    "git storage": REMOTE,
    "git storage without git": REMOTE | {"init_git": False},
    "placeholder": {"storage": "git"},
    "placeholder without git": {"storage": "git", "init_git": False},
    "all that fails": REMOTE | {"create_work_pool": True},
    "all that fails, and a placeholder": {"storage": "git", "create_work_pool": True},
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_comes_next_in_eight_lines(
    folder: Path,
    configure: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    if "all that fails" in case:
        configure("[user]\n  useConfigOnly = true\n")
    address = {"prefect_api_url": f"http://127.0.0.1:{free_port()}/api"}
    hook.main(ANSWERS | address | CASES[case])
    output, errors = capsys.readouterr()
    assert errors == ""
    assert len(output.splitlines()) <= 8
    assert f"\n  cd {folder}\n  uv run poe train\n" in output
    assert output.endswith("\n  uv run poe\n")
    assert ("git add uv.lock" in output) == ("init_git" not in CASES[case])
    assert ("git remote add" in output) == (case in {"git storage", "all that fails"})
    assert ("\n  # Replace the placeholder your-org in prefect.yaml" in output) == (
        "placeholder" in case
    )
    assert ("Git: " in output) == ("Work pool: " in output) == ("all that fails" in case)


def test_paths_are_short_from_where_one_stands_and_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/some where")
    folder = Path("/some where/taxi-duration")
    assert (
        hook.next_steps(ANSWERS | {"_output_dir": "/some where"}, folder)[0] == "cd taxi-duration"
    )
    assert hook.next_steps(ANSWERS | {"_output_dir": "/x"}, folder)[0] == f"cd '{folder}'"
    branch = {"git_branch": "it's", "_output_dir": "/x"}
    push = hook.next_steps(ANSWERS | REMOTE | branch, folder)[3]
    assert shlex.split(push)[-1] == "HEAD:it's"


@contextlib.contextmanager
def web_server(
    status: int, body: bytes = b""
) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """Answer every POST with the status; yields the address and the requests."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, self.headers.get("Authorization", ""), content))
            if status:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)
            else:
                self.wfile.write(b"what is HTTP?\n\n")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/api", requests
        server.shutdown()


ODD_ANSWERS = {
    (200, b"<html>"): "it answers 200: OK",
    (302, b""): "it answers 302: Found",
    (403, b'{"detail": "Missing CSRF token."}'): "it answers 403: Missing CSRF token.",
    (403, b"<html>"): "it answers 403: Forbidden",
    (403, b'{"x'): "it answers 403: Forbidden",
    (500, b'{"exception_message": "x"}'): "it answers 500: Internal Server Error",
    (0, b""): "what is HTTP?",
}


@pytest.mark.parametrize(("status", "body"), ODD_ANSWERS)
def test_a_server_that_is_no_prefect_server(status: int, body: bytes) -> None:
    with web_server(status, body) as (url, _):
        report = hook.create_work_pool(url, "my pool", "process")
    assert report.startswith(f"Work pool: none yet at {url} ({ODD_ANSWERS[status, body]}")
    later = f"PREFECT_API_URL={url} uv run prefect work-pool create -t process -- 'my pool'"
    assert report.endswith(f"). Later: {later}")
    assert "\n" not in report


def test_request_and_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ada:pässword")
    with web_server(201) as (url, requests):
        assert hook.create_work_pool(f"{url}/", "日本", "docker").startswith(
            "Work pool: 日本 was made"
        )
    login = "Basic YWRhOnDDpHNzd29yZA=="
    content = rb'{"name": "\u65e5\u672c", "type": "docker"}'
    assert requests == [("/api/work_pools/", login, content)]


@pytest.mark.parametrize(
    "url", ["http://[::1/api", "nonsense", "http://127.0.0.1:{port}/api", "http:///api"]
)
def test_an_address_where_nothing_answers(url: str) -> None:
    report = hook.create_work_pool(url.format(port=free_port()), "pool", "process")
    assert report.startswith("Work pool: none yet at ")
    assert "\n" not in report


@pytest.mark.slow
@pytest.mark.parametrize("csrf", ["false", "true"])
def test_work_pools_of_a_real_server(
    csrf: str, project: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With CSRF protection it is as `poe up` starts it."""

    def create(name: str) -> str:
        return hook.create_work_pool(server.url, name, "process")

    login = {"PREFECT_API_AUTH_STRING": "ada:secret"}
    wanted = {
        "PREFECT_SERVER_API_AUTH_STRING": "ada:secret",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": csrf,
    }
    with prefect_server(project, tmp_path, **wanted) as server:
        monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
        refused = create("taxi-pool")
        assert f"none yet at {server.url} (it wants PREFECT_API_AUTH_STRING)" in refused
        later = refused.partition("Later: ")[2]
        assert "Created work pool 'taxi-pool'" in project.run("sh", "-c", later, **login).stdout

        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ada:wrong")
        assert "it wants PREFECT_API_AUTH_STRING" in create("taxi-pool")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", login["PREFECT_API_AUTH_STRING"])
        assert create("taxi-pool").startswith("Work pool: taxi-pool was there already")
        assert create("- it's") == f"Work pool: - it's was made, at {server.url}"
        assert "it answers 403: Work pools starting with 'Prefect' are reserved" in create(
            "Prefectx"
        )
        assert "(it refuses the name: give prefect.yaml another)" in create("a/b")
        nowhere = hook.create_work_pool(f"{server.url}/no/api", "taxi-pool", "process")
        assert "(no Prefect API is there)" in nowhere
        environment = {"PREFECT_API_URL": server.url, **login}
        listed = project.run("uv", "run", "prefect", "work-pool", "ls", **environment).stdout
        assert "taxi-pool" in listed
        assert "- it's" in listed
    assert "Connection refused" in create("taxi-pool")
