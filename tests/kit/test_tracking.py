"""What MLflow keeps besides a model: the commit of its code, and what was found in months."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from .. import PACKAGE, module

project = module("kit.project")
records = module("kit.records")
reports = module("kit.reports")
tracking = module("kit.tracking")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.check_output(["git", *who, *arguments], cwd=folder, text=True).strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A push")
    return git(folder, "rev-parse", "HEAD")


def logged(trained: Any) -> tuple[Any, Any]:
    tags = tracking.connect().get_run(tracking.log_training(trained, {})).data.tags
    return tags.get("mlflow.source.git.commit"), tags.get("mlflow.source.git.dirty")


def test_a_run_names_the_commit_of_the_code(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet")
    monkeypatch.setattr(project, "ROOT", root)
    first = commit(root)
    assert logged(trained) == (first, "False")
    (root / "data.py").write_text("SCHEMA = None\n")
    assert logged(trained) == (first, "True")
    second = commit(root)
    assert project.commit_tags()["mlflow.source.git.commit"] == second != first


def test_without_git_there_is_no_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "ROOT", tmp_path)
    assert project.commit_tags() == {}
    monkeypatch.setenv("PATH", "")
    assert project.commit_tags() == {}


def inspection(period: str, **values: float) -> Any:
    return records.Inspection(
        model_version=1,
        period=period,
        digest="0123",
        rows=9,
        findings={name: records.Finding(value=v, judgement="warn") for name, v in values.items()},
        error=None,
        test_error=1.0,
    )


@pytest.fixture
def run_id(store: Path) -> str:
    client = tracking.connect()
    [run, *_] = client.search_runs([tracking.experiment_id(client)])
    return str(run.info.run_id)


def test_any_feature_may_be_found_in_a_month(run_id: str) -> None:
    """MLflow refuses most signs in the name of a metric."""
    tracking.log_findings(run_id, inspection("2024-03", **{"price (€) / m²": 0.5}))
    metrics = tracking.connect().get_run(run_id).data.metrics
    assert metrics["monitor/price ___ _ m²"] == 0.5
    assert metrics["monitor/verdict"] == 1


def test_a_month_is_seen_after_those_before_it(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the periods, however late a month is looked at, and once each."""
    for period, value in (("2024-03", 0.125), ("2024-01", 0.0), ("2024-02", 9.0)):
        tracking.log_findings(run_id, inspection(period, fare=value))
    newest = inspection("2024-03", fare=0.25)
    series = tracking.log_findings(run_id, newest)
    assert series == {"fare": [0.0, 9.0, 0.25]}
    assert "| `fare` | 0.250 | warn | ▁██ |" in reports.drift_report(newest, series)
    monkeypatch.setenv(f"{PACKAGE.upper()}_DRIFT_FAIL", "0.5")
    assert "▁█▅ |" in reports.drift_report(newest, series)
    monkeypatch.setenv(f"{PACKAGE.upper()}_DRIFT_FAIL", "0")
    assert "███ |" in reports.drift_report(newest, series)
