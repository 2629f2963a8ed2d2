"""Refuse bad answers, all of them in one message, before anything is written."""

import json
import keyword
import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SLUG = "taxi-duration"
DESCRIPTION = "Predicts how long a taxi trip takes, trained and scheduled with Prefect."
JOINER = "\u200d"  # holds emoji together
TEXT = f".*[^ {JOINER}].*"
# No user or host starts with a hyphen: ssh would take it for an option.
NAME, HOST, PATH = r"\w[\w.-]*", r"[\w\[][\w.:\[\]-]*", r"[\w.~:/@%+-]*"
URL = rf"((https?://|ssh://({NAME}@)?){HOST}|file://)/(?!/*$){PATH}"
SCP = rf"{NAME}@{NAME}:(?!//)[\w.~/+-]+"
NO_BRANCH = r"[\s~^:?*\[]|\.\.|(^|/)[./]|\.lock(/|$)|[./]$|^-|^@$|^HEAD$"  # git check-ref-format
# Each question with its default, which is the example too, and the pattern of a good answer.
QUESTIONS = {
    "project_name": ("Taxi Duration", TEXT),
    "project_slug": (SLUG, r"(?!.{51})(?!(com|lpt)\d$)[a-z][a-z0-9]*(-[a-z0-9]+)*"),
    "description": (DESCRIPTION, TEXT),
    "author_name": ("Ada Lovelace", TEXT),
    "work_pool_name": (f"{SLUG}-pool", rf"(?i)(?!prefect)(?=.*[^' .{JOINER}])[^/%&<>#?]+"),
    "work_pool_type": ("process", "process|docker"),
    "storage": ("local", "local|git"),
    "git_repository": (f"https://github.com/your-org/{SLUG}.git", f"{URL}|{SCP}"),
    "git_branch": ("main", rf"(?!.*({NO_BRANCH})){TEXT}"),
    "schedule": ("0 9 3 * *", TEXT),
    "prefect_api_url": ("http://127.0.0.1:4200/api", rf"https?://{HOST}/({PATH}/)?api(/{PATH})?"),
    "license": ("MIT", r"MIT|Apache-2\.0|none"),
}
SWITCHES = {"init_git": True, "create_work_pool": False}
RULES = {
    "project_slug": "must be a-z, 0-9 and single hyphens, 50 at most, start with a letter, and not "
    "be a name of Python, of Windows or of something that the project uses",
    "work_pool_name": "must be a name that does not start with 'prefect', without / % & < > # ?",
    "work_pool_type": "must be process or docker",
    "storage": "must be local or git",
    "git_repository": "must be https://, ssh://, file:/// or user@host:path, without credentials",
    "git_branch": "is no name for a git branch",
    "schedule": "must have five cron fields (minute hour day month weekday), and a day that comes",
    "prefect_api_url": "must be http(s)://, a host and a path with /api, without credentials",
    "license": "must be MIT, Apache-2.0 or none",
}
MONTHS, DAYS = "jan feb mar apr may jun jul aug sep oct nov dec", "sun mon tue wed thu fri sat"
CRON_FIELDS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, MONTHS), (0, 7, DAYS))
# Folders of the project and of Windows; what the project depends on or imports; and, last, modules
# that are not named after their packages. uv refuses the names of all other packages, and says why.
TAKEN = """
aux checkpoints con dist docs mlartifacts nul predictions prn src test tests
adbc-driver-postgresql aiohttp cookiecutter cyclopts dask detect-secrets distributed dotenv fastapi
fastapi-offline filelock fsspec graphviz honcho httpx matplotlib mlflow mypy numpy optuna pandas
pandas-stubs pip-audit poethepoet pre-commit prefect prefect-docker psycopg2-binary pyarrow pydantic
pydantic-settings pytest pyyaml rich ruff scikit-learn scipy sklearn skops sqlalchemy threadpoolctl
tqdm types-pyyaml types-tqdm uv uvicorn xgboost xgboost-cpu yaml
attr boolean dateutil docket git google graphql opentelemetry pil psycopg2 py pylab slugify
"""


def is_free(slug: str) -> bool:
    """Check that neither the folder nor the package gets a name that something else has."""
    package = slug.replace("-", "_")
    python = keyword.iskeyword(package) or package in sys.stdlib_module_names
    return not python and slug not in TAKEN.split()


def comes_round(line: str) -> bool:
    """Check that one of a cron line's months has one of its days."""
    fields = [cron_values(*pair) for pair in zip(line.split(), CRON_FIELDS, strict=True)]
    days, months = fields[2:4]
    return min(days) <= (31 if months - {2, 4, 6, 9, 11} else 30 if months - {2} else 29)


def cron_values(field: str, limits: tuple[int, int, str]) -> set[int]:
    """Return the numbers that a cron field stands for; raise LookupError or ValueError if none."""
    low, high, names = limits
    number = {f"{n:0{width}}": n for n in range(low, high + 1) for width in (1, 2)}
    number |= {name: low + index for index, name in enumerate(names.split())}
    values: set[int] = set()
    for part in field.lower().split(","):
        spelt_out = re.sub(r"^\*", f"{low}-{high}", part)
        [(first, last, step)] = re.findall(r"^(\w+)(?:-(\w+))?(?:/(\d\d?))?$", spelt_out, re.ASCII)
        stop = number[last] if last else high if step else number[first]
        span = range(number[first], stop + 1, int(step or 1))
        if not span or int(step or 1) > high:
            raise ValueError(part)
        values.update(span)
    return values


# What no pattern can say. These may raise LookupError or ValueError: urlsplit for a bad host.
CHECKS = {
    "project_slug": is_free,
    "git_repository": lambda url: urlsplit(url).port != 0,
    "schedule": comes_round,
    "prefect_api_url": lambda url: urlsplit(url).port != 0,
}


def find_problem(question: str, answer: Any) -> str:
    """Return what is wrong with an answer, or "" if it is good."""
    if not isinstance(answer, str):
        return "must be text"
    for character in answer:
        if character in '"\\{}' or not (character.isprintable() or character == JOINER):
            return f"holds {ascii(character)[1:-1]}, which would break TOML, YAML or Markdown"
    with suppress(LookupError, ValueError):
        fits = re.fullmatch(QUESTIONS[question][1], answer, re.ASCII)
        if fits and CHECKS.get(question, bool)(answer):
            return ""
    return RULES.get(question, "is empty")


def judge(answers: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return what is wrong with bad answers, and the good ones that are not the defaults."""
    problems, good, slug = {}, [], str(answers["project_slug"])
    for question, (example, _) in QUESTIONS.items():
        if question.startswith("git_") and answers["storage"] != "git":
            continue
        default = example if question == "project_slug" else example.replace(SLUG, slug)
        if answers[question] == default and "project_slug" in problems:
            continue  # It is bad only because the slug is.
        if problem := find_problem(question, answers[question]):
            problems[question] = problem
        elif answers[question] != default:
            good.append(f"{question}={answers[question]}")
    if "project_slug" not in problems and answers["__package_name"] != slug.replace("-", "_"):
        problems["project_slug"] = "has another __package_name: give only the slug"
    good += [f"{s}={answers[s]}" for s, default in SWITCHES.items() if answers[s] != default]
    return problems, good


def leave_nothing(output: Path, slug: str) -> None:
    """Remove the folders that cookiecutter made on the way to a slug like a/b."""
    project, made = Path.cwd(), Path.cwd().stat().st_mtime - 1
    on_the_way = [folder.resolve() for folder in (output / slug).parents]
    between = [folder for folder in on_the_way if not output.resolve().is_relative_to(folder)]
    # A new folder in it changes a folder's other times, but not when it was last read.
    new = [folder for folder in between if folder.stat().st_atime > made]
    if new:
        os.chdir(project.anchor)  # Windows removes no folder that somebody stands in
        for folder in (project, *new):
            with suppress(OSError):
                folder.rmdir()


def main(answers: dict[str, Any]) -> None:
    """Exit with a message if an answer is bad."""
    if not all(isinstance(answers[switch], bool) for switch in SWITCHES):
        sys.exit("This template needs cookiecutter 2.7 or newer: pip install -U cookiecutter")
    problems, good = judge(answers)
    if not problems:
        return
    lines = ["Nothing was generated, because of these answers:"]
    for question, problem in problems.items():
        shown = repr(re.sub("(?s).*@", "***@", str(answers[question])))[:60]
        lines.append(f"  {question}: {shown} {problem}. For example: {QUESTIONS[question][0]}")
    if "_commit" not in answers:  # cruft sets it, and has commands of its own
        command = ["cookiecutter", answers["_template"], "-o", answers["_output_dir"]]
        command += ["--checkout", answers["_checkout"]] if answers["_checkout"] else []
        lines += ["To be asked again, the good answers kept:", f"  {shlex.join([*command, *good])}"]
    if "_output_dir" in answers:
        leave_nothing(Path(answers["_output_dir"]), str(answers["project_slug"]))
    sys.exit("\n".join(lines))


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""))
