"""Bakes projects, and runs what was baked in environments and with servers of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[1]
# They run in a baked project, where test_kit.py copies them to.
collect_ignore = ["kit"]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR")
TOOLS = ("UV_", "PIP_", "GIT_CONFIG")
# Types of the libraries are read once for all projects, as mypy takes half a minute for them.
MYPY_CACHE = tempfile.TemporaryDirectory(prefix="mypy-", ignore_cleanup_errors=True)


def kept_environment() -> dict[str, str]:
    """What every process needs of the environment, and what says how packages are installed."""
    return {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(TOOLS)}


def clean_environment(home: Path) -> dict[str, str]:
    """An environment without the user's own Prefect, MLflow or project settings."""
    return kept_environment() | {
        "MYPY_CACHE_DIR": MYPY_CACHE.name,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }


@dataclass
class BakedProject:
    """A rendered project, with an environment that touches nothing of the user's."""

    path: Path
    home: Path
    venv: Path | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def slug(self) -> str:
        return self.path.name

    @property
    def package(self) -> str:
        return self.slug.replace("-", "_")

    @property
    def files(self) -> list[str]:
        """Every file but git's own, by its path from the project's root."""
        paths = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in paths if path.parts[0] != ".git")

    def environment(self, **env: str) -> dict[str, str]:
        shared = {"UV_PROJECT_ENVIRONMENT": str(self.venv)} if self.venv else {}
        return clean_environment(self.home) | shared | env

    def run(
        self, *command: str, check: bool = True, timeout: float = 600, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder; its output is text."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template as a clone has it, without the caches of a working copy."""
    copy = tmp_path_factory.mktemp("template") / "prefect-ml-template"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=TEMPLATE, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (TEMPLATE / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def cookiecutter_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's configuration with folders of its own."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    config = folder / "config.yaml"
    config.write_text(f"cookiecutters_dir: {folder}/cookiecutters\nreplay_dir: {folder}/replay\n")
    return config


@pytest.fixture(scope="session")
def bake(
    template: Path, cookiecutter_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., BakedProject]:
    """Render the template into a new folder: bake(storage="git") -> BakedProject."""

    def bake(**answers: str | bool) -> BakedProject:
        folder = tmp_path_factory.mktemp("baked")
        with pytest.MonkeyPatch.context() as patch:
            for role in ("AUTHOR", "COMMITTER"):  # on a machine where git knows nobody, too
                patch.setenv(f"GIT_{role}_NAME", "Ada")
                patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
            made = cookiecutter(
                str(template),
                no_input=True,
                extra_context=answers,
                output_dir=str(folder / "out"),
                config_file=str(cookiecutter_config),
            )
        return BakedProject(Path(made), folder / "home")

    return bake


@pytest.fixture(scope="session")
def project(bake: Callable[..., BakedProject]) -> BakedProject:
    """The default project, with its environment made by uv; tests only read it."""
    baked = bake()
    baked.run("uv", "sync", "--quiet", "--python", sys.executable)
    return baked


@contextmanager
def lent_environment(project: BakedProject) -> Iterator[Path]:
    """A project's environment for another one of its name: one environment is compiled once.

    uv installs the other in its place; at the end the project is installed again.
    """
    yield project.path / ".venv"
    project.run("uv", "sync", "--quiet", "--inexact")


@pytest.fixture
def fresh(project: BakedProject, tmp_path: Path) -> Iterator[BakedProject]:
    """A copy of the default project in the same environment, for tests that change it."""
    copy = tmp_path / project.slug
    shutil.copytree(project.path, copy, ignore=shutil.ignore_patterns(".venv"), symlinks=True)
    with lent_environment(project) as venv:
        yield BakedProject(copy, tmp_path / "home", venv)


@pytest.fixture(scope="session")
def shared_server(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Prefect server (lab.PrefectServer) for tests that do not stop it."""
    from .lab import prefect_server

    with prefect_server(project, tmp_path_factory.mktemp("server")) as server:
        yield server


def counts() -> dict[str, int]:
    """What this process's tests counted."""
    from . import baking, lab

    return lab.COUNTS | {f"answers {kind}": number for kind, number in baking.COUNTS.items()}


COUNTED: Counter[str] = Counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its counts to the process that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = counts()
    else:
        COUNTED.update(counts())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The counts of a worker that has ended; one that died has none."""
    COUNTED.update(getattr(node, "workeroutput", {}).get("counts", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was counted, besides the tests."""
    if any(COUNTED.values()):
        terminalreporter.section("counts")
        for what, number in COUNTED.items():
            terminalreporter.line(f"{what:>16}: {number:,}")
