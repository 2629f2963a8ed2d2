"""A newcomer's first day: nothing is typed but what the two READMEs say, from top to bottom."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import kept_environment
from .lab import answers, processes_with, server_process, wait_until
from .pages import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc"),
    pytest.mark.skipif(
        any(answers(f"http://127.0.0.1:{port}/health") for port in (4200, 5000)),
        reason="the READMEs' ports, 4200 and 5000, are taken",
    ),
]
NAMES = [
    (r"^[\d:.]+ \| ", ""),  # the time
    (r"(?i)(flow run) '[\w-]+'", r"\1 '*'"),
    (r"-[0-9a-f]{3}'", "-*'"),  # the end of a task run's name
]
FIGURE = r"\d+\.\d+"
LONG_RUNNING = "uv run poe up"


@dataclass
class Newcomer:
    """Somebody with Python, pip and git, whose home is empty."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        git = {
            f"GIT_{who}_{what}": "ada@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        own = {
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.folder}/python/bin:/usr/bin:/bin",
            # What was downloaded before is not downloaded again.
            "UV_CACHE_DIR": run("uv", "cache", "dir").strip(),
        }
        return kept_environment() | git | own

    def settle(self, template: Path) -> Path:
        """Make the home, a Python of one's own and a clone of the template."""
        (self.folder / "home").mkdir()
        run(sys.executable, "-m", "venv", str(self.folder / "python"))
        return shutil.copytree(template, self.folder / "prefect-ml-template")

    def type(self, command: str, folder: Path) -> str:
        """Return what a command prints. AssertionError if it fails."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def type_and_interrupt(self, command: str, folder: Path, urls: list[str]) -> None:
        """Start what stays, look at its pages once it is healthy, and press Ctrl-C."""
        log = self.folder / "up.log"
        with server_process(
            *command.split(),
            is_ready=lambda: "Everything is healthy" in log.read_text(),
            cwd=folder,
            env=self.environment,
            log=log,
        ) as started:
            assert urls
            assert all(answers(url) for url in urls)
            os.killpg(started.pid, signal.SIGINT)
            started.wait(timeout=120)
        home = f"HOME={self.folder}/home"
        wait_until(lambda: not processes_with(home), f"an end of {processes_with(home)}", 60)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_first_day(template: Path, tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path)
    clone = newcomer.settle(template)
    readme = Page(clone / "README.md", clone)
    said = newcomer.type(readme.commands[0], clone)
    assert_transcript(readme.blocks("text")[0], said)

    project = tmp_path / "taxi-duration"
    readme = Page(project / "README.md", project)
    urls = re.findall(r"<(http://127\.0\.0\.1:\d+)>", readme.text)
    assert readme.commands.count(LONG_RUNNING) == 1
    said = ""
    for command in readme.commands:
        if command == LONG_RUNNING:
            newcomer.type_and_interrupt(command, project, urls)
        else:
            said += newcomer.type(command, project)
    assert "Version 2 not promoted" in said
    assert list(project.glob("predictions/*.parquet"))
    assert newcomer.type("git status --porcelain", project) == ""


def assert_transcript(written: str, said: str) -> None:
    """Assert that the lines were said in this order, but for times, names and small changes."""
    lines = iter(said.splitlines())
    for wanted in written.splitlines():
        if wanted == "...":
            continue
        found = next((line for line in lines if masked(line) == masked(wanted)), None)
        assert found, f"not said, or not there: {wanted}\n{said}"
        figures = [float(figure) for figure in re.findall(FIGURE, found)]
        if "RMSE" in wanted:
            written_figures = [float(figure) for figure in re.findall(FIGURE, wanted)]
            assert figures[-len(written_figures) :] == pytest.approx(written_figures, rel=0.03)


def masked(line: str) -> str:
    for pattern, instead in NAMES:
        line = re.sub(pattern, instead, line)
    return re.sub(FIGURE, "#", line)
