"""What MLflow keeps of a training besides the model: the commit of its code."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from .. import module

project = module("kit.project")
records = module("kit.records")
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


@pytest.mark.usefixtures("store")
def test_any_feature_may_be_found_in_a_month() -> None:
    """MLflow refuses most signs in the name of a metric."""
    found = records.Finding(value=0.5, judgement="warn")
    seen = records.Inspection(
        model_version=1,
        period="2024-03",
        digest="0123",
        rows=9,
        findings={"price (€) / m²": found},
        error=None,
        test_error=1.0,
    )
    client = tracking.connect()
    [run, *_] = client.search_runs([tracking.experiment_id(client)])
    tracking.log_findings(run.info.run_id, seen)
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["monitor/price ___ _ m²"] == 0.5
    assert metrics["monitor/verdict"] == 1
