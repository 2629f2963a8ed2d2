"""Answers: which are refused and leave nothing, and which come back from every file unchanged."""

import ast
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter.exceptions import CookiecutterException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hooks import pre_gen_project as hook

from .answers import ANSWERS, ANYTHING, BAD, CRON_LIMITS, FREELY, GOOD, cron_field
from .baking import CHOICES, COUNTS, MARKERS, Baker, Outcome, command, contents, typed
from .conftest import TEMPLATE, BakedProject

many = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
)


def cases(table: dict[str, list[str]], every: int = 1) -> list[pytest.ParameterSet]:
    """Name each case by its question and the start of its value."""
    pairs = [(question, value) for question, values in table.items() for value in values]
    return [pytest.param(*pair, id=f"{pair[0]}-{ascii(pair[1])[1:30]}") for pair in pairs[::every]]


def others_than(question: str) -> dict[str, str]:
    """Answer what makes a question matter, or what would follow from its answer."""
    return {"storage": "git"} if question.startswith("git_") else {"project_slug": "x"}


def named(message: str) -> set[str]:
    """List the questions that a refusal names."""
    return {line.split(":")[0].strip() for line in message.splitlines()[1:-2]}


def assert_refused(outcome: Outcome) -> None:
    assert not outcome.project
    assert outcome.left_over() == []


@pytest.fixture(scope="session")
def baker(
    template: Path, cookiecutter_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Baker:
    return Baker(template, cookiecutter_config, tmp_path_factory.mktemp("baker"))


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give git a user whose other settings are git's own."""
    config = tmp_path.with_suffix(".gitconfig")
    config.write_text("[user]\n  name = Ada\n  email = ada@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(project), *arguments], capture_output=True, check=True, encoding="utf-8"
    ).stdout


@pytest.mark.parametrize(("question", "value"), cases(BAD))
def test_refused(baker: Baker, question: str, value: str) -> None:
    with baker.bake(**others_than(question) | {question: value}) as outcome:
        assert_refused(outcome)
        if outcome.message:  # else cookiecutter itself refuses the folder or the choice
            assert named(outcome.message) == {question}
            assert f"For example: {hook.QUESTIONS[question][0]}\n" in outcome.message


@pytest.mark.parametrize(("question", "value"), cases(BAD))
def test_the_hook_refuses_too_what_cookiecutter_may(question: str, value: str) -> None:
    assert hook.find_problem(question, value)
    assert not hook.find_problem(question, hook.QUESTIONS[question][0])


@pytest.mark.parametrize(("question", "value"), cases(GOOD))
def test_accepted(baker: Baker, question: str, value: str) -> None:
    with baker.bake(**others_than(question) | {question: value}) as outcome:
        assert outcome.project, outcome.error
        assert outcome.answers[question] == value
        assert outcome.left_over() == []
        baker.check_round_trip(outcome)


@settings(many, max_examples=350)
@given(answers=ANSWERS)
def test_any_good_answers_come_back_from_every_file(baker: Baker, answers: dict[str, str]) -> None:
    with baker.bake(**answers) as outcome:
        assert outcome.project, outcome.error
        assert outcome.answers | answers == outcome.answers
        assert outcome.left_over() == []
        baker.check_round_trip(outcome)


@settings(many, max_examples=700)
@given(answers=ANSWERS, data=st.data())
def test_all_bad_answers_are_named_and_leave_nothing(
    baker: Baker, answers: dict[str, str], data: st.DataObject
) -> None:
    chosen = sorted(data.draw(st.sets(st.sampled_from(FREELY), min_size=1, max_size=5)))
    bad = {question: data.draw(st.sampled_from(BAD[question])) for question in chosen}
    with baker.bake(**answers | bad | {"storage": "git"}) as outcome:
        assert_refused(outcome)
        if outcome.message:
            assert named(outcome.message) == set(chosen)


@settings(many, max_examples=300)
@given(st.dictionaries(st.sampled_from(FREELY), ANYTHING, min_size=1))
def test_whatever_is_given_is_refused_or_comes_back(baker: Baker, answers: dict[str, str]) -> None:
    if "project_slug" in answers:
        answers["project_slug"] = answers["project_slug"].replace("/", "")
    with baker.bake(**answers) as outcome:
        assert outcome.left_over() == []
        if outcome.project:
            baker.check_round_trip(outcome)


@pytest.mark.parametrize(("question", "value"), cases(BAD, every=12))
def test_refused_in_earnest(
    baker: Baker, tmp_path: Path, capfd: pytest.CaptureFixture[str], question: str, value: str
) -> None:
    output = tmp_path / "deep" / "out"
    output.mkdir(parents=True)
    answers = others_than(question) | {question: value.replace("/abs", f"{tmp_path}/abs")}
    with pytest.raises((CookiecutterException, OSError, ValueError)):
        baker.render(output, {name: typed(answer) for name, answer in answers.items()})
    COUNTS["refused"] += 1
    assert list(tmp_path.rglob("*")) == [output.parent, output]
    if message := capfd.readouterr().err:
        assert named(message.partition("Traceback")[0]) == {question}


def test_an_empty_folder_that_was_there_stays(baker: Baker, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.utime(tmp_path / "a", (1e9, 1e9))
    with pytest.raises(FileNotFoundError):
        baker.render(tmp_path, {"project_slug": "a/new/b"})
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


@pytest.mark.parametrize(("question", "value"), cases(GOOD, every=12))
def test_accepted_in_earnest(
    baker: Baker, identity: None, tmp_path: Path, question: str, value: str
) -> None:
    defaults = {choice: values[0] for choice, values in CHOICES.items()}
    answers = MARKERS | defaults | others_than(question) | {question: value}
    project = baker.render(tmp_path, {name: typed(answer) for name, answer in answers.items()})
    COUNTS["accepted"] += 1
    outcome = Outcome(tmp_path, answers, project)
    assert outcome.left_over() == []
    baker.check_round_trip(outcome)
    assert git(project, "ls-files", "-z").rstrip("\0").split("\0") == sorted(contents(project))
    assert git(project, "log", "--format=%s %D") == "Generate the project HEAD -> main\n"


def test_three_bad_answers_at_once(
    template: Path, cookiecutter_config: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    bad = ["project_slug=../x", "work_pool_name=prefect-pool", 'project_name=say "hi"']
    settings = [
        "--no-input",
        "--config-file",
        str(cookiecutter_config),
        "-o",
        str(tmp_path / "out"),
    ]
    refused = command(str(template), *settings, *bad, "description=it's $(id)", "license=none")
    assert refused.returncode == 1
    assert named(refused.stderr) == {"project_slug", "work_pool_name", "project_name"}
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]

    # The command at the message's end asks again; an empty line keeps an answer.
    again = shlex.split(refused.stderr.splitlines()[-1])
    assert again[0] == "cookiecutter"
    accepted = command(*again[1:], "--config-file", str(cookiecutter_config), stdin="\n" * 20)
    assert accepted.returncode == 0, accepted.stderr
    project = tomllib.loads((tmp_path / "out/taxi-duration/pyproject.toml").read_text())["project"]
    assert project["description"] == "it's $(id)"
    assert "license" not in project


def test_a_choice_from_elsewhere_is_refused(baker: Baker) -> None:
    answers = {q: example for q, (example, _) in hook.QUESTIONS.items()} | hook.SWITCHES
    answers |= {"__package_name": "taxi_duration", "license": "GPL", "description": ["no", "text"]}
    assert hook.judge(answers)[0].keys() == {"license", "description"}
    answers |= {"license": "MIT", "description": "x", "__package_name": "other"}
    assert hook.judge(answers)[0].keys() == {"project_slug"}


def test_defaults_are_the_examples(baker: Baker) -> None:
    with baker.bake() as outcome:
        defaults = {question: example for question, (example, _) in hook.QUESTIONS.items()}
        assert outcome.answers | defaults == outcome.answers
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    asked = {name for name in questions if not name.startswith("_")}
    assert asked == hook.QUESTIONS.keys() | hook.SWITCHES.keys()
    assert {name: questions[name] for name in hook.SWITCHES} == hook.SWITCHES
    assert {name: questions[name] for name in CHOICES} == CHOICES


def test_a_credential_is_not_shown(baker: Baker) -> None:
    for url in (
        "https://me:hunter2@host/a",
        "me:hunter2@host/a",
        "https://hunter2@host/" + "a" * 99,
    ):
        with baker.bake(storage="git", git_repository=url) as outcome:
            assert "git_repository" in outcome.message
            assert "hunter2" not in outcome.message


@pytest.mark.parametrize("kind", CRON_LIMITS)
def test_a_field_of_a_cron_line_stands_for_these_numbers(kind: str) -> None:
    limits = dict(zip(CRON_LIMITS, hook.CRON_FIELDS, strict=True))[kind]

    @settings(many, max_examples=200)
    @given(cron_field(kind))
    def check(drawn: tuple[str, set[int]]) -> None:
        assert hook.cron_values(drawn[0], limits) == drawn[1]

    check()


@settings(many, max_examples=150)
@given(st.text("ab./@{-~^:?*[]'#é ", min_size=1, max_size=6) | st.sampled_from(BAD["git_branch"]))
def test_git_agrees_on_branches(name: str) -> None:
    # "@" alone is one of git's names for HEAD: refused here, though it may be a branch's.
    if name != "@" and name.isprintable() and not set(name) & set('"\\{}'):
        judged = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True)
        assert bool(hook.find_problem("git_branch", name)) == bool(judged.returncode)


ASK_PREFECT = """
import json, sys
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.actions import WorkPoolCreate
from prefect._internal.schemas.validators import validate_cron_string
from prefect._vendor.croniter import croniter
given = json.load(sys.stdin)
for name in given["work_pool_name"]:
    WorkPoolCreate(name=name)
for line in given["schedule"]:
    CronSchedule(cron=line, timezone="UTC")
    croniter(line).get_next()
"""


@pytest.mark.slow
def test_prefect_agrees_on_schedules_and_pools(project: BakedProject) -> None:
    lines = st.tuples(*(cron_field(kind).map(lambda drawn: drawn[0]) for kind in CRON_LIMITS))
    drawn: list[str] = []
    settings(many, max_examples=300)(given(lines)(lambda line: drawn.append(" ".join(line))))()
    asked = {"schedule": GOOD["schedule"] + drawn, "work_pool_name": GOOD["work_pool_name"]}
    done = subprocess.run(
        ["uv", "run", "python", "-c", ASK_PREFECT],
        cwd=project.path,
        env=project.environment(),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_slug_is_ignored(baker: Baker) -> None:
    files = baker.expected(*(values[0] for values in CHOICES.values()))
    patterns = (files[".gitignore"] + b"\n" + files[".prefectignore"]).decode()
    folders = re.findall("^([a-z0-9-]+)/$", patterns, re.MULTILINE)
    assert len(folders) > 3
    assert [name for name in folders if not hook.find_problem("project_slug", name)] == []


def test_no_slug_hides_a_dependency(baker: Baker) -> None:
    files = baker.expected("docker", *(values[0] for values in list(CHOICES.values())[1:]))
    project = tomllib.loads(files["pyproject.toml"].decode())
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    names = {re.split(r"[^\w.-]", requirement)[0] for group in groups for requirement in group}
    for name, content in files.items():
        if name.endswith(".py"):
            names |= imported(content)
    slugs = {re.sub("[-_.]+", "-", name.lower()) for name in names - {"marker_slug"}}
    assert slugs > {"adbc-driver-postgresql", "scikit-learn", "sklearn", "prefect-docker", "numpy"}
    assert [name for name in sorted(slugs) if not hook.find_problem("project_slug", name)] == []


def imported(source: bytes) -> set[str]:
    """List the packages that a file imports by their full names."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
    return {name.split(".")[0] for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["alembic", "click", "redis"])
def test_uv_refuses_the_name_of_what_only_a_dependency_needs(
    bake: Callable[..., BakedProject], slug: str
) -> None:
    done = bake(project_slug=slug).run("uv", "lock", check=False)
    assert done.returncode
    assert f"`{slug}` but the name is shadowed by your project" in done.stderr
