"""Make the first commit and, if asked, the work pool; then say what to do next. Never fails."""

import io
import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

COMMIT = ["commit", "--no-verify", "-m", "Generate the project"]
MADE = {201: "was made", 409: "was there already, and stays as it is"}
REFUSED = {
    401: "it wants PREFECT_API_AUTH_STRING",
    404: "no Prefect API is there",
    422: "it refuses the name: give prefect.yaml another",
}


def git(*arguments: str) -> None:
    """Run git in the current folder; OSError or SubprocessError if that fails."""
    outer = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set while a git hook runs us
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    subprocess.run(
        ["git", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )


def why(error: Exception) -> str:
    """Return the first line of what git said when it failed."""
    said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
    return said.splitlines()[0] if said else str(error)


def repository_of(folder: Path) -> Path | None:
    """Return the folder, or the one around it, that is a git repository."""
    return next((outer for outer in (folder, *folder.parents) if (outer / ".git").exists()), None)


def first_commit(folder: Path) -> str:
    """Commit the folder on main; return "" or the line that says what to run later."""
    if outer := repository_of(folder):
        return f"Git: it lies in the repository {outer}. Later: git add . && git commit"
    try:
        git("init")
        git("symbolic-ref", "HEAD", "refs/heads/main")  # git before 2.28 has no init -b
        # What the user ignores everywhere, such as data files, belongs to this project.
        git("-c", "core.excludesFile=", "add", "--all")
    except (OSError, subprocess.SubprocessError) as error:
        later = f"git init -b main && git add --all && {shlex.join(['git', *COMMIT])}"
        return f"Git: not set up ({why(error)}). Later: {later}"
    try:
        git(*COMMIT)
    except (OSError, subprocess.SubprocessError) as error:
        later = shlex.join(["git", *COMMIT])
        return f"Git: all is staged, not committed ({why(error)}). Later: {later}"
    return ""


def create_work_pool(url: str, name: str, kind: str) -> str:
    """Ask the Prefect API at the URL for a work pool; return the line that says how it went."""
    from http.client import HTTPException

    status = 0
    try:
        status, words = post(f"{url.rstrip('/')}/work_pools/", {"name": name, "type": kind})
        problem = REFUSED.get(status, f"it answers {status}: {words}")
    except (OSError, ValueError, HTTPException) as error:
        problem = str(getattr(error, "reason", error)).strip()
    if status in MADE:
        return f"Work pool: {name} {MADE[status]}, at {url}"
    create = ["uv", "run", "prefect", "work-pool", "create", "-t", kind, "--", name]
    later = f"PREFECT_API_URL={url} {shlex.join(create)}"
    return f"Work pool: none yet at {url} ({problem}). Later: {later}"


def post(url: str, content: dict[str, str]) -> tuple[int, str]:
    """Post JSON, with PREFECT_API_AUTH_STRING as the log-in; return the status and its reason."""
    # Imported here: few bakes need them, and they are slow to import.
    import base64
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "application/json"}
    if login := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    request = Request(url, json.dumps(content).encode(), headers)
    try:
        with urlopen(request, timeout=10) as response:
            return response.status, response.reason
    except HTTPError as error:
        with suppress(ValueError, LookupError, TypeError):
            return error.code, str(json.load(error)["detail"])
        return error.code, error.reason


def next_steps(answers: dict[str, Any], folder: Path) -> list[str]:
    """List the commands that come next."""
    here = os.environ.get("PWD") == answers["_output_dir"]
    steps = [f"cd {shlex.quote(folder.name if here else str(folder))}", "uv run poe train"]
    if answers["init_git"]:
        steps.append("git add uv.lock && git commit -m 'Lock dependencies'")
    if answers["init_git"] and answers["storage"] == "git" and repository_of(folder.parent) is None:
        repository, branch = map(shlex.quote, (answers["git_repository"], answers["git_branch"]))
        steps.append(f"git remote add origin {repository} && git push -u origin HEAD:{branch}")
    return [*steps, "uv run poe"]


def main(answers: dict[str, Any]) -> None:
    """Do what was asked for, and report; under cruft, which compares renders, do nothing."""
    if "_commit" in answers:
        return
    report = []
    if answers["init_git"]:
        report.append(first_commit(Path.cwd()))
    if answers["create_work_pool"]:
        pool = ("prefect_api_url", "work_pool_name", "work_pool_type")
        report.append(create_work_pool(*(answers[question] for question in pool)))
    report.append(
        "\n  ".join(
            ["Next (the last of these lists all commands):", *next_steps(answers, Path.cwd())]
        )
    )
    say("\n".join(filter(None, report)))


def say(text: str) -> None:
    """Print, whatever the terminal can show and even if nobody reads on."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except OSError:
        with suppress(OSError):
            sys.stdout.close()  # or Python tries again at its end, and fails


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
