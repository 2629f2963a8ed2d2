"""Bakes by the thousand: the engine and the hooks in one process, and all that they wrote read."""

import ast
import contextlib
import io
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jinja2
import yaml
from cookiecutter import hooks as engine
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from cookiecutter.utils import create_env_with_context

from hooks import post_gen_project, pre_gen_project

COUNTS = {"accepted": 0, "refused": 0}
"""Bakes that the tests judged; for the summary at the end."""

CHOICES = {
    "work_pool_type": ["process", "docker"],
    "storage": ["local", "git"],
    "license": ["MIT", "Apache-2.0", "none"],
}
MARKERS = {
    "project_name": "Marker Name",
    "project_slug": "marker-slug",
    "description": "Marker description",
    "author_name": "Marker Author",
    "work_pool_name": "marker-pool",
    "git_repository": "https://marker.example/marker.git",
    "git_branch": "marker-branch",
    "schedule": "7 7 7 7 *",
    "prefect_api_url": "http://marker.example:7/api",
}
HOOKS = {"pre_gen_project": pre_gen_project.main, "post_gen_project": post_gen_project.main}


@dataclass
class Outcome:
    """A bake: the project, or the error; and the answers as the hooks saw them."""

    sandbox: Path
    answers: dict[str, Any] = field(default_factory=dict)
    project: Path | None = None
    error: BaseException | None = None

    @property
    def message(self) -> str:
        """What the hook said, of an error that cookiecutter may have raised on top of it."""
        cause = self.error
        while cause and not isinstance(cause, FailedHookException):
            cause = cause.__context__
        return str(cause or "")

    def left_over(self) -> list[str]:
        """List what lies in the sandbox, the project apart."""
        inside = {self.project, *(self.project.rglob("*") if self.project else ())}
        known = {self.sandbox / "home", self.sandbox / "home/out"}
        return sorted(str(p) for p in self.sandbox.rglob("*") if p not in inside | known)


class Baker:
    """Bakes one template, each time in an empty sandbox of its own."""

    def __init__(self, template: Path, config: Path, folder: Path) -> None:
        self.template, self.config, self.folder = template, config, folder
        self.expected = cache(self._expected)
        logging.getLogger("cookiecutter").setLevel(logging.CRITICAL)

    @contextlib.contextmanager
    def bake(self, **given: str | bool) -> Iterator[Outcome]:
        """Bake with answers as people type them; "/" at a slug's start means the sandbox."""
        sandbox = self.folder / "sandbox"
        (sandbox / "home/out").mkdir(parents=True)
        answers = {"init_git": False, **{name: typed(value) for name, value in given.items()}}
        if (slug := str(answers.get("project_slug"))).startswith("/"):
            answers["project_slug"] = f"{sandbox}{slug}"
        outcome = Outcome(sandbox)
        try:
            self._bake(answers, outcome)
            yield outcome
        finally:
            COUNTS["accepted" if outcome.project else "refused"] += 1
            shutil.rmtree(sandbox)

    def _bake(self, answers: dict[str, str | bool], outcome: Outcome) -> None:
        def run(script: str, cwd: str, context: dict[str, Any]) -> None:
            literal = create_env_with_context(context).from_string(
                'r"""{{ cookiecutter|tojson }}"""'
            )
            outcome.answers = json.loads(ast.literal_eval(literal.render(**context)))
            with contextlib.chdir(cwd), contextlib.redirect_stdout(io.StringIO()):
                try:
                    HOOKS[Path(script).stem](outcome.answers)
                except SystemExit as refusal:
                    raise FailedHookException(str(refusal.code)) from refusal

        in_process = patch.object(engine, "run_script_with_context", run)
        compiled_once = patch.object(jinja2.Environment, "compile", compile_once)
        with in_process, compiled_once:
            try:
                outcome.project = self.render(outcome.sandbox / "home/out", answers)
            except Exception as error:
                outcome.error = error

    def render(self, output: Path, answers: dict[str, str | bool], *, hooks: bool = True) -> Path:
        """Call cookiecutter, with its own hooks in processes of their own unless patched."""
        made = cookiecutter(
            str(self.template),
            no_input=True,
            extra_context=answers,
            output_dir=str(output),
            config_file=str(self.config),
            accept_hooks=hooks,
        )
        return Path(made)

    def _expected(self, *choices: str) -> dict[str, bytes]:
        """Render the markers: what every other project must be but for its answers."""
        output = self.folder / "-".join(("expected", *choices))
        answers = MARKERS | dict(zip(CHOICES, choices, strict=True)) | {"init_git": False}
        return contents(self.render(output, answers, hooks=False))

    def check_round_trip(self, outcome: Outcome) -> None:
        """Every file parses, and every answer reads back where it stands, in every file."""
        assert outcome.project
        answers = outcome.answers
        expected = self.expected(*(answers[choice] for choice in CHOICES))
        found = contents(outcome.project)
        assert sorted(found) == sorted(fill_in(name, answers) for name in expected)
        for name, content in expected.items():
            written = found[fill_in(name, answers)]
            if b"marker" not in content.lower():
                assert written == content, name
                continue
            text, marked = written.decode(), content.decode()
            assert text == fill_in(marked, answers), name
            assert leaves(name, text) == [fill_in(leaf, answers) for leaf in leaves(name, marked)]


CODE: dict[tuple[Any, ...], Any] = {}
JINJA_COMPILE = jinja2.Environment.compile


def compile_once(self: jinja2.Environment, *source: Any, **options: Any) -> Any:
    """Compile a template once for all bakes: it takes most of a bake's time."""
    key = (*source, *options.items())
    if key not in CODE:
        CODE[key] = JINJA_COMPILE(self, *source, **options)
    return CODE[key]


def typed(value: str | bool) -> str | bool:
    """Write an answer for the command line, where Jinja renders it, as one types it."""
    return value.replace("{", "{{ '{' }}") if isinstance(value, str) else value


def contents(project: Path) -> dict[str, bytes]:
    """Read every file but git's own, by its path from the project's root."""
    files = {path.relative_to(project): path for path in project.rglob("*") if path.is_file()}
    return {name.as_posix(): p.read_bytes() for name, p in files.items() if name.parts[0] != ".git"}


PLACES = re.compile("|".join(map(re.escape, [*MARKERS.values(), "marker_slug", "MARKER_SLUG"])))


def fill_in(text: str, answers: dict[str, Any]) -> str:
    """Replace the markers by answers."""
    values = {marker: answers[question] for question, marker in MARKERS.items()}
    package = answers["project_slug"].replace("-", "_")
    values |= {"marker_slug": package, "MARKER_SLUG": package.upper()}
    return PLACES.sub(lambda place: values[place[0]], text)


@lru_cache(maxsize=512)
def leaves(name: str, text: str) -> list[str]:
    """Read a file as its users' parsers do: its keys and values in order."""
    suffix = Path(name).suffix
    if suffix == ".toml":
        data = tomllib.loads(text)
        tasks = data.get("tool", {}).get("poe", {}).get("tasks", {}).values()
        commands = [task["cmd"] for task in tasks if isinstance(task.get("cmd"), str)]
        return [*flatten(data), *(word for command in commands for word in shlex.split(command))]
    if suffix in {".yaml", ".yml"}:
        return list(flatten(yaml.load(text, yaml.CSafeLoader)))
    if suffix == ".py":
        nodes = list(ast.walk(ast.parse(text)))
        strings = [
            n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        return strings + [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    return [text]


def flatten(data: Any) -> Iterator[str]:
    """List keys and values; what is no text, by its type as well."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from flatten(value)
    elif isinstance(data, list):
        for value in data:
            yield from flatten(value)
    else:
        yield data if isinstance(data, str) else repr(data)


def command(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter as its users do."""
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", *arguments],
        env=os.environ | env,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
