"""Refuse bad answers, all of them in one message, before anything is written.

A check takes an answer and says what is wrong with it: "" if nothing is.
"""

import json
import keyword
import os
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SLUG = "taxi-duration"
ZERO_WIDTH_JOINER = "\u200d"  # it holds emoji together
WINDOWS_DEVICE = r"con|prn|aux|nul|(com|lpt)[0-9]"
NO_BRANCH = r"[\s~^:?*\[]|\.\.|//|(^|/)[./]|\.lock(/|$)|[./]$|^-|^@$|^HEAD$"
MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
CRON_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("weekday", 0, 7, "sun mon tue wed thu fri sat"),
)
# Packages that the project installs or may add, and folders that it ignores; tests find new ones.
TAKEN = """
adbc-driver-manager adbc-driver-postgresql aiohappyeyeballs aiohttp aiosignal aiosqlite alembic
amplitude amplitude-analytics annotated-doc annotated-types anyio apprise asgi-lifespan
ast-serialize async-timeout asyncpg attr attrs beartype blinker bokeh boolean boolean-py boto3
burner-redis cachecontrol cachetools certifi cffi cfgv charset-normalizer checkpoints click
cloudpickle colorama colorlog contourpy coolname cronsim cryptography cycler cyclonedx
cyclonedx-python-lib cyclopts dask databricks databricks-sdk dateparser dateparser-cli
dateparser-data dateparser-scripts dateutil defusedxml detect-secrets dist distlib distributed
docker docket docs docstring-parser dotenv exceptiongroup fastapi filelock flask flask-cors
fonttools frozenlist fsspec gcsfs git gitdb gitpython google google-auth graphene graphql
graphql-core graphql-relay graphviz greenlet griffe griffecli griffelib gunicorn h11 h2 honcho hpack
httpcore httpx huey humanize hyperframe identify idna importlib-metadata iniconfig itsdangerous
jinja2 jinja2-humanize-extension joblib jsonpatch jsonpatch-cli jsonpointer jsonschema
jsonschema-specifications key-value kiwisolver librt license-expression locket mako markdown
markdown-it markdown-it-py markupsafe matplotlib mdurl mlartifacts mlflow mlflow-skinny
mlflow-tracing mpl-toolkits msgpack multidict mypy mypy-extensions mypyc narwhals nodeenv numpy
oauthlib opentelemetry opentelemetry-api opentelemetry-proto opentelemetry-sdk
opentelemetry-semantic-conventions optuna orjson packageurl packageurl-python packaging
packaging-legacy-version pandas pandas-stubs partd pathspec pendulum pil pillow pip pip-api
pip-audit pip-requirements-parser platformdirs pluggy poethepoet pre-commit predictions prefect
prefect-dask prefect-docker prefect-kubernetes prefect-ray prettytable prometheus-client propcache
protobuf psutil psycopg psycopg2 py py-key-value-aio py-serializable pyarrow pyasn1 pyasn1-modules
pycparser pydantic pydantic-core pydantic-extra-types pydantic-settings pydocket pygments pylab
pyparsing pytest python-dateutil python-discovery python-dotenv python-json-logger python-slugify
pythonjsonlogger pytz pywin32 pyyaml ray readchar redis referencing regex requests requests-oauthlib
rfc3339-validator rich rich-rst rpds rpds-py ruamel ruamel-yaml ruamel-yaml-clib ruff s3fs
scikit-learn scipy semver shellingham six sklearn skops slugify smmap sniffio sortedcontainers
sqlalchemy sqlparse src starlette tblib test tests text-unidecode threadpoolctl toml tomli tomli-w
toolz tornado tqdm typer types-pyyaml types-tqdm typing-extensions typing-inspection tzdata tzlocal
uncalled-for urllib3 uvicorn virtualenv waitress wcwidth websockets werkzeug whenever xgboost
xgboost-cpu xyzservices yaml yarl zict zipp
"""


def text(answer: str) -> str:
    """Check free text, which is written to TOML, YAML and Markdown."""
    if not answer.strip(" " + ZERO_WIDTH_JOINER):
        return "is empty"
    for character in answer:
        if character in '"\\{}':
            return f"holds {character}, which would break the files that it is written to"
        if not (character.isprintable() or character == ZERO_WIDTH_JOINER):
            return f"holds an unprintable character (U+{ord(character):04X})"
    return ""


def slug(answer: str) -> str:
    """Check the name of the folder, the distribution and, with underscores, the package."""
    package = answer.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", answer):
        return "must be a-z, 0-9 and single hyphens between them, and start with a letter"
    if len(answer) > 50:
        return "is longer than 50 characters"
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        return "is a name of Python's own, so its package could not be imported"
    if re.fullmatch(WINDOWS_DEVICE, answer):
        return "is no name for a folder on Windows"
    return "is taken by something that the project uses" if answer in TAKEN.split() else ""


def work_pool(answer: str) -> str:
    """Check the name by the rules of Prefect's API."""
    if answer.lower().startswith("prefect"):
        return "starts with 'prefect', which Prefect keeps for itself"
    if not answer.strip("' .") or set(answer) & set("/%&<>#?"):
        return "must be a name without / % & < > # ?, or Prefect refuses it or does not find it"
    return text(answer)


def url(answer: str, *schemes: str) -> str:
    """Check a URL that starts with one of the schemes."""
    if not re.fullmatch(r"[\w.~:/@%+\[\]-]+", answer, re.ASCII):
        return "is no plain URL (letters, digits and . ~ : / @ % + - only)"
    if not answer.startswith(schemes):
        return f"must start with {' or '.join(schemes)}"
    try:
        parts = urlsplit(answer)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return "has a bad host or port"
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        return "holds credentials, which would be committed: leave them to git or the environment"
    if bool(host) == (parts.scheme == "file") or not parts.path.strip("/"):
        return "must name a host and a path"
    return ""


def api_url(answer: str) -> str:
    """Check the address of a Prefect API, of a server or of Prefect Cloud."""
    problem = url(answer, "http://", "https://")
    if not problem and "api" not in urlsplit(answer).path.split("/"):
        return "must have /api in its path"
    return problem


def repository(answer: str) -> str:
    """Check the URL of a git repository, or git@host:path."""
    if re.fullmatch(r"\w[\w.-]*@\w[\w.-]*:(?!//)[\w.~/+-]+", answer, re.ASCII):
        return ""
    return url(answer, "https://", "http://", "ssh://", "file:///")


def branch(answer: str) -> str:
    """Check a branch by the rules of git check-ref-format."""
    return text(answer) or ("is no name for a git branch" if re.search(NO_BRANCH, answer) else "")


def cron(answer: str) -> str:
    """Check a cron line, and that it comes round."""
    fields = answer.split()
    if text(answer) or len(fields) != len(CRON_FIELDS):
        return "must have five fields: minute hour day month weekday"
    try:
        _, _, days, months, _ = map(cron_values, fields, CRON_FIELDS)
    except ValueError as error:
        return str(error)
    if min(days) > max(MONTH_LENGTHS[month - 1] for month in months):
        return "names a day that its months do not have"
    return ""


def cron_values(field: str, limits: tuple[str, int, int, str]) -> set[int]:
    """List the numbers that a field of a cron line stands for; ValueError if it is none."""
    kind, low, high, names = limits
    number = {form: n for n in range(low, high + 1) for form in (f"{n}", f"{n:02}")}
    number.update((name, low + index) for index, name in enumerate(names.split()))
    values: set[int] = set()
    for part in field.lower().split(","):
        spelt_out = re.sub(r"^\*", f"{low}-{high}", part)
        match = re.fullmatch(r"(\w+)(?:-(\w+))?(?:/(\d\d?))?", spelt_out, re.ASCII)
        first, last, step = match.groups() if match else ("", None, None)
        start = number.get(first, high + 1)
        stop = number.get(last, low - 1) if last else high if step else start
        if not start <= stop <= high or not 1 <= int(step or 1) <= high:
            raise ValueError(f"holds {part!r}, which is no {kind} ({low} to {high})")
        values.update(range(start, stop + 1, int(step or 1)))
    return values


def one_of(*choices: str) -> Callable[[str], str]:
    """Make the check of a choice."""
    return lambda answer: "" if answer in choices else f"must be {' or '.join(choices)}"


# Each question with its check and its default, which is the example as well.
QUESTIONS: dict[str, tuple[Callable[[str], str], str]] = {
    "project_name": (text, "Taxi Duration"),
    "project_slug": (slug, SLUG),
    "description": (
        text,
        "Predicts how long a taxi trip takes, trained and scheduled with Prefect.",
    ),
    "author_name": (text, "Ada Lovelace"),
    "work_pool_name": (work_pool, f"{SLUG}-pool"),
    "work_pool_type": (one_of("process", "docker"), "process"),
    "storage": (one_of("local", "git"), "local"),
    "git_repository": (repository, f"https://github.com/your-org/{SLUG}.git"),
    "git_branch": (branch, "main"),
    "schedule": (cron, "0 9 3 * *"),
    "prefect_api_url": (api_url, "http://127.0.0.1:4200/api"),
    "license": (one_of("MIT", "Apache-2.0", "none"), "MIT"),
}
SWITCHES = {"init_git": True, "create_work_pool": False}


def is_default(question: str, answers: dict[str, Any]) -> bool:
    """Say whether an answer is what cookiecutter.json makes of the slug."""
    default = QUESTIONS[question][1]
    if question != "project_slug":
        default = default.replace(SLUG, str(answers["project_slug"]))
    return bool(answers[question] == default)


def relevant(answers: dict[str, Any]) -> list[str]:
    """List the questions that matter: a repository does only for storage=git."""
    return [q for q in QUESTIONS if not q.startswith("git_") or answers["storage"] == "git"]


def find_problems(answers: dict[str, Any]) -> dict[str, str]:
    """Say for each bad answer what is wrong; what only follows from a bad slug is left out."""
    problems = {}
    for question in relevant(answers):
        check, answer = QUESTIONS[question][0], answers[question]
        problems[question] = check(answer) if isinstance(answer, str) else "must be text"
    if problems["project_slug"]:
        for question in ("work_pool_name", "git_repository"):
            if is_default(question, answers):
                problems[question] = ""
    elif answers["__package_name"] != answers["project_slug"].replace("-", "_"):
        problems["project_slug"] = "has another __package_name: give only the slug"
    return {question: problem for question, problem in problems.items() if problem}


def explain(answers: dict[str, Any], problems: dict[str, str]) -> str:
    """Write the message: each problem with an example, and the command that asks again."""
    lines = ["Nothing was generated, because of these answers:"]
    for question, problem in problems.items():
        shown = repr(re.sub("(?s).*@", "***@", str(answers[question])))[:60]
        lines.append(f"  {question}: {shown} {problem}. For example: {QUESTIONS[question][1]}")
    if "_commit" not in answers:  # cruft sets it, and has commands of its own
        lines += ["To be asked again, the good answers kept:", f"  {ask_again(answers, problems)}"]
    return "\n".join(lines)


def ask_again(answers: dict[str, Any], problems: dict[str, str]) -> str:
    """Write the command whose defaults are the good answers."""
    kept = [q for q in relevant(answers) if q not in problems and not is_default(q, answers)]
    kept += [switch for switch, usual in SWITCHES.items() if answers[switch] != usual]
    command = ["cookiecutter", answers["_template"], "-o", answers["_output_dir"]]
    if answers["_checkout"]:
        command += ["--checkout", answers["_checkout"]]
    return shlex.join([*command, *(f"{question}={answers[question]}" for question in kept)])


def leave_nothing(output: Path, slug: str) -> None:
    """Remove the folders that cookiecutter made on the way to a slug like a/b."""
    made = Path.cwd().stat().st_mtime
    on_the_way = (folder.resolve() for folder in (output / slug).parents)
    between = [folder for folder in on_the_way if not output.resolve().is_relative_to(folder)]
    # A new folder in it changes a folder's other times, but not when it was last read.
    new = [folder for folder in between if folder.stat().st_atime > made - 1]
    if new:
        project = Path.cwd()
        os.chdir(project.anchor)  # Windows removes no folder that somebody stands in
        for folder in (project, *new):
            with suppress(OSError):
                folder.rmdir()


def main(answers: dict[str, Any]) -> None:
    """Exit with a message if an answer is bad."""
    if not all(isinstance(answers[switch], bool) for switch in SWITCHES):
        sys.exit("This template needs cookiecutter 2.7 or newer: pip install -U cookiecutter")
    problems = find_problems(answers)
    if problems:
        if "_output_dir" in answers:
            leave_nothing(Path(answers["_output_dir"]), str(answers["project_slug"]))
        sys.exit(explain(answers, problems))


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
