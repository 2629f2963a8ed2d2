"""The README's "Your own data", followed to the letter with data that is nothing like taxis."""

import ast
import re
from pathlib import Path

import pytest

from .conftest import BakedProject

pytestmark = pytest.mark.slow

MAKE_MONTHS = """
import pandas as pd
from sklearn.datasets import load_diabetes
patients = load_diabetes(as_frame=True, scaled=False).frame
patients = patients.rename(columns={"target": "progression"}).sample(frac=1, random_state=0)
for number, month in enumerate(["2024-01", "2024-02", "2024-03"]):
    part = patients[number::3].reset_index(drop=True)
    part["visited_at"] = pd.Timestamp(month) + pd.to_timedelta(part.index * 283, "min")
    part["visited_at"] = part["visited_at"].dt.tz_localize("Asia/Tokyo")
    part["since"] = part["visited_at"].dt.date
    part["clinic"] = part["sex"].map({1.0: "north", 2.0: "south"})
    part["treated"] = part["sex"] == 1
    part.loc[3, "bmi"] = None
    part.to_parquet(f"data/patients_{month}.parquet")
"""
DATA = '''
TIME = "visited_at"
TARGET = "progression"
UNIT = "points"
NOUN = "patients"
SCHEMA = pa.schema(
    {
        "visited_at": pa.timestamp("us"),
        "age": pa.float64(),
        "bmi": pa.float64(),
        "bp": pa.float64(),
        "s5": pa.float64(),
        "clinic": pa.string(),
        "treated": pa.float64(),
        "since": pa.timestamp("us"),
        "progression": pa.float64(),
    }
)
LABELS = ("progression",)
REQUIRED = ("visited_at", "bmi", "progression")
RANGES: dict[str, tuple[float, float]] = {"age": (0, 120)}
MAX_DROPPED_SHARE = 0.05


def clean(patients: pd.DataFrame, period: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the patients that were measured badly; the target is a column already."""
    return drop(patients, input_faults(patients, period) | {"no weight": patients["bmi"] <= 0})
'''
FEATURES = '''
GROUPS: dict[str, int] = {}
PER: str | None = None


def build_features(patients: pd.DataFrame) -> pd.DataFrame:
    """Features of shape (n, 8) from raw patients."""
    weekday = patients[TIME].dt.day_of_week
    north = patients["clinic"] == "north"
    waited = (patients[TIME] - patients["since"]).dt.total_seconds()
    measured = patients[["age", "bmi", "bp", "s5", "treated"]]
    return measured.assign(weekday=weekday, north=north, waited=waited).astype("float32")
'''


def definitions(source: str) -> dict[str, ast.stmt]:
    """Each name that a module defines at its top, with the statement."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def replace(path: Path, edits: str, allowed: set[str]) -> None:
    """Put each definition of `edits` in place of the one of the same name."""
    new = definitions(edits)
    assert new.keys() <= allowed, "the README does not say that these are to be edited"
    text = path.read_text()
    for name, node in new.items():
        lines = text.splitlines(keepends=True)
        old = definitions(text)[name]
        lines[old.lineno - 1 : old.end_lineno] = [f"{ast.get_source_segment(edits, node)}\n"]
        text = "".join(lines)
    path.write_text(text)


def test_other_data_takes_the_place_of_the_example(fresh: BakedProject) -> None:
    page = (fresh.path / "README.md").read_text().partition("## Your own data")[2]
    page = page.partition("\n## ")[0]
    named = {*re.findall(r"`(\w+)`", page)}
    kept = {"test_your_data.py", *re.findall(r"`(test_\w+\.py)`", page)}
    [command] = re.findall(r"`(uv run pytest [^`]+)`", page)
    [promotion] = re.findall(r"`(uv run poe promote [^`]+)`", page)
    fresh.run("uv", "run", "poe", "train")
    for sample in (fresh.path / "data").glob("*.parquet"):
        sample.unlink()
    fresh.run("uv", "run", "python", "-c", MAKE_MONTHS)

    unfit = fresh.run(*command.split(), check=False)
    assert "DataError" in unfit.stdout, "the test must see that nothing was edited yet"

    src = fresh.path / "src" / fresh.package
    replace(src / "data.py", DATA, named)
    replace(src / "features.py", FEATURES, named)
    fresh.run("uv", "run", "ruff", "check", str(src / "data.py"), str(src / "features.py"))
    for test in (fresh.path / "tests").glob("test_*.py"):
        if test.name not in kept:
            test.unlink()
    fresh.run("uv", "run", "mypy")
    fit = fresh.run(*command.split())
    assert re.search(r"\b4 passed", fit.stdout)
    fresh.run("uv", "run", "pytest", "-q")

    elsewhere = {f"{fresh.package.upper()}_STATE_DIR": str(fresh.home / "state")}
    trained = fresh.run("uv", "run", "poe", "train", **elsewhere)
    assert "version 1 promoted" in trained.stdout + trained.stderr

    # The samples' champion, which is there since the first training, stays until a person decides.
    refused = fresh.run("uv", "run", "poe", "train", check=False)
    assert refused.returncode
    assert "Version 2 is registered" in refused.stdout + refused.stderr
    assert "error: version 1: fails with the code that it was logged with (" in refused.stderr
    assert promotion in refused.stderr
    fresh.run(*promotion.replace("N", "2").split())
    trained = fresh.run("uv", "run", "poe", "train")
    assert "version 3 not promoted" in trained.stdout + trained.stderr
