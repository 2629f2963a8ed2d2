"""Make the first commit and, if asked, the work pool; then say what to do next. Never fail."""

import io
import json
import os
import shlex
import sys
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, SubprocessError, run
from typing import Any

PROGRAM = "prefect-ml-template"
PLACEHOLDER = "https://github.com/your-org/"  # see cookiecutter.json
MADE = {201: "was made", 409: "was there already, and stays as it is"}
REFUSED = {
    401: "it wants PREFECT_API_AUTH_STRING",
    404: "no Prefect API is there",
    422: "it refuses the name: give prefect.yaml another",
}


def repository_of(folder: Path) -> Path | None:
    """Return the folder, or the one around it, that is a git repository."""
    return next((outer for outer in (folder, *folder.parents) if (outer / ".git").exists()), None)


def git(*arguments: str) -> None:
    """Run git in the current folder; raise OSError or SubprocessError if that fails."""
    outer = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set while a git hook runs us
    env = {name: value for name, value in os.environ.items() if name not in outer}
    run(["git", *arguments], env=env, stdin=DEVNULL, capture_output=True, check=True, timeout=60)


def first_commit(folder: Path) -> str:
    """Commit the folder on main; return "" or the line that says what to run later."""
    if outer := repository_of(folder):
        return f"Git: it lies in the repository {outer}. Later: git add . && git commit"
    commit = ["commit", "--no-verify", "-m", "Generate the project"]
    state, later = "not set up", "git init -b main && git add --all && "
    try:
        git("init")
        git("symbolic-ref", "HEAD", "refs/heads/main")  # git before 2.28 has no init -b
        # What the user ignores everywhere, such as data files, belongs to this project.
        git("-c", "core.excludesFile=", "add", "--all")
        state, later = "all is staged, not committed", ""
        git(*commit)
    except (OSError, SubprocessError) as error:
        said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
        reason = (said or str(error)).splitlines()[0]
        return f"Git: {state} ({reason}). Later: {later}{shlex.join(['git', *commit])}"
    return ""


def csrf_token(api: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers that a server wants which has CSRF protection, as that of `poe up`.

    Raises HTTPError if the login is refused, or no Prefect API is there.
    """
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    ask = Request(f"{api}/csrf-token?client={PROGRAM}", headers=headers)
    try:
        with urlopen(ask, timeout=10) as response:
            token = json.load(response)["token"]
    except HTTPError as error:
        if error.code in {401, 404}:
            raise
        return {}
    return {"Prefect-Csrf-Client": PROGRAM, "Prefect-Csrf-Token": token}


def create_work_pool(url: str, name: str, kind: str) -> str:
    """Ask the Prefect API at the URL for a work pool; return the line that says how it went."""
    from urllib.request import Request, urlopen  # slow to import, and few bakes need it

    api, headers = url.rstrip("/"), {"Content-Type": "application/json"}
    if login := os.environ.get("PREFECT_API_AUTH_STRING", "").encode(errors="surrogateescape"):
        headers["Authorization"] = f"Basic {b64encode(login).decode()}"
    content = json.dumps({"name": name, "type": kind}).encode()
    try:
        headers |= csrf_token(api, headers)
        with urlopen(Request(f"{api}/work_pools/", content, headers), timeout=10) as response:
            status, reason = response.status, response.reason
    except Exception as error:  # whatever it is, the project is whole
        status, reason = getattr(error, "code", 0), str(getattr(error, "reason", error)).strip()
        with suppress(Exception):
            reason = json.loads(error.read())["detail"]
    if status in MADE:
        return f"Work pool: {name} {MADE[status]}, at {url}"
    problem = REFUSED.get(status, f"it answers {status}: {reason}" if status else reason)
    create = shlex.join(["uv", "run", "prefect", "work-pool", "create", "-t", kind, "--", name])
    return f"Work pool: none yet at {url} ({problem}). Later: PREFECT_API_URL={url} {create}"


def next_steps(answers: dict[str, Any], folder: Path) -> list[str]:
    """List the commands that come next."""
    here = os.environ.get("PWD") == answers["_output_dir"]
    steps = [f"cd {shlex.quote(folder.name if here else str(folder))}", "uv run poe train"]
    if answers["init_git"]:
        steps.append("git add uv.lock && git commit -m 'Lock dependencies'")
    if answers["storage"] == "git" and answers["git_repository"].startswith(PLACEHOLDER):
        steps.append("# Replace the placeholder your-org in prefect.yaml before a worker can clone")
    elif answers["storage"] == "git" and answers["init_git"] and not repository_of(folder.parent):
        repository, branch = map(shlex.quote, (answers["git_repository"], answers["git_branch"]))
        steps.append(f"git remote add origin {repository} && git push -u origin HEAD:{branch}")
    return [*steps, "uv run poe"]


def main(answers: dict[str, Any]) -> None:
    """Do what was asked for, and report; under cruft, which compares renders, do nothing."""
    if "_commit" in answers:
        return
    report = [first_commit(Path.cwd())] if answers["init_git"] else []
    if answers["create_work_pool"]:
        pool = ("prefect_api_url", "work_pool_name", "work_pool_type")
        report.append(create_work_pool(*(answers[question] for question in pool)))
    report.append("Next (the last of these lists all commands):")
    report += [f"  {step}" for step in next_steps(answers, Path.cwd())]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the terminal cannot show
    try:
        print("\n".join(filter(None, report)), flush=True)
    except OSError:  # Nobody reads it.
        with suppress(OSError):
            sys.stdout.close()  # or Python tries again at its end, and fails


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
