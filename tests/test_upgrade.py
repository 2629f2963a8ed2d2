"""`poe upgrade`: newer versions that pass the check, or all as before; and indexes without dates.

To save minutes, the project has few dependencies here, and its check is a quick command.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from packaging.version import Version

from .conftest import TEMPLATE, BakedProject

pytestmark = pytest.mark.slow

Bake = Callable[..., BakedProject]
FEW = ["cyclopts", "pydantic-settings", "tqdm"]
PASSES = "import cyclopts; print('checked with cyclopts', cyclopts.__version__)"
WAITS = """
import signal, time
from pathlib import Path
Path(".venv/checking").touch()
try:
    time.sleep(300)
finally:  # as pytest, which first stops what its tests started
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3)
"""
IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
CHECK = '[tool.poe.tasks.check]\ncmd = "python check.py"\n\n'
AS_BEFORE = "pyproject.toml and uv.lock are as before"


def edit(project: BakedProject, pattern: str, new: str) -> None:
    """Replace what matches, once, in pyproject.toml."""
    path = project.path / "pyproject.toml"
    text, found = re.subn(pattern, lambda _: new, path.read_text(), count=1, flags=re.M | re.S)
    assert found, pattern
    path.write_text(text)


def has_few_dependencies(project: BakedProject, dependencies: list[str]) -> None:
    groups = '[dependency-groups]\ndev = ["poethepoet"]\n\n'
    edit(project, r"^dependencies = \[.*?^\]$", f"dependencies = {json.dumps(dependencies)}")
    edit(project, r"^\[dependency-groups\].*?(?=^# MLflow finds|^\[)", groups)


def checks_by(project: BakedProject, code: str) -> None:
    (project.path / "check.py").write_text(f"{code}\n")
    edit(project, r"^\[tool\.poe\.tasks\.check\].*?(?=^\[)", CHECK)


def cutoff(project: BakedProject) -> date:
    settings = tomllib.loads((project.path / "pyproject.toml").read_text())
    return date.fromisoformat(settings["tool"]["uv"]["exclude-newer"])


def locked(project: BakedProject) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for package in tomllib.loads((project.path / "uv.lock").read_text())["package"]:
        found.setdefault(package["name"], []).append(Version(package["version"]))
    return found


def files(project: BakedProject) -> dict[str, bytes]:
    """All that git would see, and which commits there are."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    log = project.run("git", "log", "--format=%H").stdout.encode()
    paths = (project.path / name for name in project.run(*listed).stdout.splitlines())
    return {str(path): path.read_bytes() for path in paths if path.exists()} | {"log": log}


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]


@pytest.fixture
def old(bake: Bake) -> BakedProject:
    """A project that was locked, installed and committed three months ago."""
    project = bake()
    has_few_dependencies(project, FEW)
    checks_by(project, PASSES)
    edit(project, r"^exclude-newer = .*?$", f'exclude-newer = "{cutoff(project) - timedelta(91)}"')
    project.run("uv", "sync", "--quiet", "--python", sys.executable)
    commit(project)
    return project


def commit(project: BakedProject) -> None:
    project.run("git", "add", "--all")
    project.run("git", *IDENTITY, "commit", "--quiet", "--message", "Lock")


def test_upgrade_moves_the_date_and_the_versions(old: BakedProject) -> None:
    before, commits = locked(old), old.run("git", "log").stdout
    done = old.run("uv", "run", "poe", "upgrade")

    after = locked(old)
    assert cutoff(old) == datetime.now(UTC).date() - timedelta(7)
    assert all(max(after[name]) >= max(before[name]) for name in after.keys() & before.keys())
    changed = {name for name in after | before if after.get(name) != before.get(name)}
    assert changed
    # What changed is all that stdout has: the workflow's pull request says it.
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == changed
    for line in done.stdout.splitlines():
        assert re.fullmatch(r"[\w.-]+: (new|[\d., a-z]+) -> (gone|[\d., a-z]+)", line)
    # It was checked as installed.
    assert f"checked with cyclopts {after['cyclopts'][0]}" in done.stderr
    old.run("uv", "sync", "--locked", "--check")
    assert old.run("git", "log").stdout == commits
    assert old.run("git", "status", "--porcelain").stdout == " M pyproject.toml\n M uv.lock\n"

    # Again, there is nothing left to do; and a date that is given may be an earlier one.
    again = old.run("uv", "run", "poe", "upgrade")
    assert again.stdout == "uv.lock: no package has another version\n"
    old.run("uv", "run", "poe", "upgrade", "--until", str(cutoff(old) - timedelta(80)))
    earlier = locked(old)
    assert any(max(earlier[name]) < max(after[name]) for name in after.keys() & earlier.keys())


def test_a_later_date_is_moved_back_only_by_hand(old: BakedProject) -> None:
    today = datetime.now(UTC).date()
    edit(old, r"^exclude-newer = .*?$", f'exclude-newer = "{today}"')
    old.run("uv", "run", "poe", "upgrade")
    assert cutoff(old) == today


def test_without_a_lock_it_says_so(old: BakedProject) -> None:
    (old.path / "uv.lock").unlink()
    done = old.run(str(old.path / ".venv/bin/python"), "-m", old.package, "upgrade")
    assert done.stdout == f"uv.lock: there was none; it has {len(locked(old))} packages\n"

    (old.path / "uv.lock").unlink()
    checks_by(old, "raise SystemExit(1)")
    before = files(old)
    python = str(old.path / ".venv/bin/python")
    done = old.run(python, "-m", old.package, "upgrade", check=False)
    assert done.returncode == 1
    assert files(old) == before


FAILURES = {
    "check": ("raise SystemExit(3)", [], "`uv run poe check` failed (exit code 3)"),
    "lock": (PASSES, ["--until", "2001-01-01"], "`uv lock --upgrade` failed (exit code 1)"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_all_is_as_before_if_it_fails(old: BakedProject, failure: str) -> None:
    code, options, said = FAILURES[failure]
    checks_by(old, code)
    (old.path / "pyproject.toml").chmod(0o640)
    before = files(old)
    done = old.run("uv", "run", "poe", "upgrade", *options, check=False)

    assert done.returncode == 1
    assert last_line(done) == f"error: {said}; {AS_BEFORE}"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert files(old) == before
    assert (old.path / "pyproject.toml").stat().st_mode & 0o777 == 0o640
    old.run("uv", "sync", "--locked", "--check")


def test_a_date_that_is_none_or_has_no_place(old: BakedProject) -> None:
    done = old.run("uv", "run", "poe", "upgrade", "--until", "soon", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*until.*soon.*", last_line(done))

    edit(old, r"^exclude-newer = .*?\n", "")
    options = ["--until", "2026-01-01"]
    done = old.run("uv", "run", "poe", "upgrade", *options, check=False)
    assert done.returncode == 1
    said = "pyproject.toml: [tool.uv] has no date in exclude-newer to move"
    assert last_line(done) == f"error: {said}; {AS_BEFORE}"
    # Without a date, the newest are taken.
    assert "\ncyclopts: " in f"\n{old.run('uv', 'run', 'poe', 'upgrade').stdout}"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_all_is_as_before_if_it_is_stopped(old: BakedProject, name: str) -> None:
    checks_by(old, WAITS)
    before = files(old)
    with subprocess.Popen(
        ["uv", "run", "poe", "upgrade"],
        cwd=old.path,
        env=old.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not (old.path / ".venv/checking").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        assert files(old) != before
        if name == "SIGINT":  # Ctrl-C reaches all that runs in the terminal
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        stdout, stderr = process.communicate(timeout=120)

    assert process.returncode
    assert stdout == ""
    assert stderr.splitlines()[-1] == f"error: interrupted; {AS_BEFORE}"
    assert "upgrade.py" not in stderr  # no traceback but that of check.py
    assert files(old) == before
    old.run("uv", "sync", "--locked", "--check")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_the_workflow_proposes_what_passed(bake: Bake, tmp_path: Path) -> None:
    """Its last step, with a `gh` that keeps what it is given, in a clone of the project."""
    project = bake()
    workflow = yaml.safe_load((project.path / ".github/workflows/upgrade.yml").read_text())
    step = workflow["jobs"]["propose"]["steps"][-1]["run"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/gh.log\n')
    (tmp_path / "bin/gh").chmod(0o755)
    project.run("git", "clone", "--quiet", "--bare", ".", str(tmp_path / "origin"))
    project.run("git", "clone", "--quiet", str(tmp_path / "origin"), str(tmp_path / "clone"))
    clone = BakedProject(tmp_path / "clone", tmp_path / "home")
    upgrade = tmp_path / "upgrade"
    upgrade.mkdir()
    settings = (clone.path / "pyproject.toml").read_text()
    (upgrade / "pyproject.toml").write_text(settings.replace("exclude-newer", "exclude-newer "))
    (upgrade / "uv.lock").write_text("version = 1\n")
    (upgrade / "changes.txt").write_text("numpy: 1 -> 2\npandas: 3 -> 4\n")
    runner = {
        "PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_REF_NAME": "main",
    }
    clone.run("bash", "-e", "-o", "pipefail", "-c", step, **runner)

    branch = f"upgrade-{datetime.now(UTC).date()}"
    (_, create) = (tmp_path / "gh.log").read_text().splitlines()
    assert create.startswith(f"pr create --head {branch} --base main --title")
    assert (tmp_path / "body.md").read_text() == "- numpy: 1 -> 2\n- pandas: 3 -> 4\n"
    changed = clone.run("git", "diff", "--name-only", "origin/main", f"origin/{branch}").stdout
    assert changed == "pyproject.toml\nuv.lock\n"


def test_dependencies_have_one_who_moves_them() -> None:
    settings = (TEMPLATE / "{{cookiecutter.project_slug}}/.github/dependabot.yml").read_text()
    updates = yaml.safe_load(settings)["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions"]


def make_wheel(folder: Path, name: str, version: str, *requirements: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


class IndexHandler(SimpleHTTPRequestHandler):
    """Serves an index of packages, in HTML or in JSON, and says nothing."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        if Path(path).name == "index.html" and Path(path).read_bytes().startswith(b"{"):
            return "application/vnd.pypi.simple.v1+json"
        return super().guess_type(path)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def index(folder: Path, days: dict[str, str]) -> Iterator[str]:
    """Serve alpha, which needs beta: with the days of their versions, or as many mirrors do.

    A page in HTML (PEP 503) has no place for a day; one in JSON (PEP 700) has.
    """
    for name, needs in (("alpha", ["beta"]), ("beta", [])):
        for version in ("1.0", "2.0"):
            make_wheel(folder / name, name, version, *needs)
        wheels = sorted(path.name for path in (folder / name).glob("*.whl"))
        page = "<!DOCTYPE html>\n" + "".join(f'<a href="{w}">{w}</a>\n' for w in wheels)
        if days:
            found = [
                {"filename": w, "url": w, "hashes": {}, "upload-time": days[w.split("-")[1]]}
                for w in wheels
            ]
            about = {"meta": {"api-version": "1.1"}, "name": name, "versions": list(days)}
            page = json.dumps(about | {"files": found})
        (folder / name / "index.html").write_text(page)
    handler = partial(IndexHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def alpha(bake: Bake) -> BakedProject:
    """A project that needs alpha, and nothing else."""
    project = bake()
    has_few_dependencies(project, ["alpha"])
    edit(project, r"^dev = .*?$", "dev = []")
    return project


def lock(project: BakedProject, url: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"UV_DEFAULT_INDEX": url, "UV_PYTHON": sys.executable} | env
    return project.run("uv", "lock", check=False, **environment)


def test_an_index_that_has_no_days(alpha: BakedProject, tmp_path: Path) -> None:
    with index(tmp_path / "index", {}) as url:
        refused = lock(alpha, url)
        assert refused.returncode == 1
        assert "`alpha-2.0-py3-none-any.whl` is missing an upload date" in refused.stderr
        assert "`alpha` was filtered by `exclude-newer`" in refused.stderr

        # For this machine alone, by the environment.
        assert lock(alpha, url, UV_EXCLUDE_NEWER="false").returncode == 0
        assert locked(alpha)["alpha"] == [Version("2.0")]

        # For some packages: each of them has to be named.
        date_line = f'exclude-newer = "{cutoff(alpha)}"'
        for named, code in (("alpha = false", 1), ("alpha = false, beta = false", 0)):
            (alpha.path / "uv.lock").unlink(missing_ok=True)
            edit(
                alpha,
                r"^exclude-newer = [^\n]*$(\nexclude-newer-package[^\n]*$)?",
                f"{date_line}\nexclude-newer-package = {{ {named} }}",
            )
            assert lock(alpha, url).returncode == code

        # For all, in the project.
        (alpha.path / "uv.lock").unlink()
        edit(alpha, r"^exclude-newer = .*?\nexclude-newer-package.*?\n", "")
        assert lock(alpha, url).returncode == 0
        assert locked(alpha)["beta"] == [Version("2.0")]
        install = ["uv", "sync", "--locked", "--no-install-project", "--python", sys.executable]
        installed = alpha.run(*install, UV_DEFAULT_INDEX=url).stderr
        assert "+ alpha==2.0\n + beta==2.0\n" in installed


def test_a_version_that_is_too_new(alpha: BakedProject, tmp_path: Path) -> None:
    old, new = (cutoff(alpha) + timedelta(days) for days in (-9, 3))
    with index(tmp_path / "index", {"1.0": f"{old}T00:00:00Z", "2.0": f"{new}T00:00:00Z"}) as url:
        assert lock(alpha, url).returncode == 0
        assert locked(alpha)["alpha"] == [Version("1.0")]

        add = ["uv", "add", "--no-sync", "alpha>=2"]
        environment = {"UV_DEFAULT_INDEX": url, "UV_PYTHON": sys.executable}
        before = files(alpha)
        refused = alpha.run(*add, check=False, **environment)
        assert refused.returncode == 1
        assert "`alpha` was filtered by `exclude-newer`" in refused.stderr
        assert f"The latest version satisfying the requirement is v2.0, published at {new}" in (
            refused.stderr
        )
        assert files(alpha) == before

        line = f'exclude-newer = "{cutoff(alpha)}"'
        edit(alpha, f"^{line}$", f'{line}\nexclude-newer-package = {{ alpha = "{new}" }}')
        alpha.run(*add, **environment)
        assert locked(alpha) | {alpha.slug: []} == {
            alpha.slug: [],
            "alpha": [Version("2.0")],
            "beta": [Version("1.0")],
        }
