"""The README's "Your own data", followed to the letter with data that is nothing like taxis."""

import ast
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
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
MAKE_SALES = """
import numpy as np
import pandas as pd
rng, rows = np.random.default_rng(0), 9_000
shop, price = rng.integers(1, 9, rows), rng.uniform(1, 100, rows)
amount = price * (1 + shop / 4) * rng.lognormal(0, 0.2, rows)
back = rng.random(rows) < np.where(shop == 3, 0.6, 0.1)
sales = pd.DataFrame({"shop": [f"{number:05}" for number in shop], "price": price})
sales["amount"] = np.where(back, -amount, amount)
sales["sold_at"] = pd.date_range("2024-01-01", "2024-03-31 23:00", rows).round("s")
sales.to_csv("data/sales.csv", index=False)
"""
DATA = '''
TIME = "visited_at"
TARGET = "progression"
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


def clean(patients: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return all patients, and which were measured badly; the target is a column already."""
    return patients, {"no weight": patients["bmi"] <= 0}
'''
FEATURES = '''
GROUPS = ("clinic",)
PER: str | None = None
SEASONAL: tuple[str, ...] = ()


def build_features(patients: pd.DataFrame) -> pd.DataFrame:
    """Build the features of shape (n, 8) from raw patients."""
    weekday = patients[TIME].dt.day_of_week
    waited = (patients[TIME] - patients["since"]).dt.total_seconds()
    measured = patients[["clinic", "age", "bmi", "bp", "s5", "treated"]]
    return measured.assign(weekday=weekday, waited=waited)
'''
MODEL = """
PROBLEM = Regression(unit="points")
"""


def definitions(source: str) -> dict[str, ast.stmt]:
    """Return the statement of each name that a module defines at its top."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (n for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
            found |= {name.id: node for name in names}
    return found


def edit(path: Path, edits: str, named: set[str], *, leave_the_rest: bool = False) -> None:
    """Put each definition of `edits` in place of the one of its name; delete what is not named."""
    new, text = definitions(edits), path.read_text()
    old = definitions(text)
    assert new.keys() <= named & old.keys(), "the README does not say that these are to be edited"
    lines = text.splitlines(keepends=True)
    for name, node in reversed(old.items()):
        if name in new:
            lines[node.lineno - 1 : node.end_lineno] = [
                f"{ast.get_source_segment(edits, new[name])}\n"
            ]
        elif name not in named and not leave_the_rest:
            lines[node.lineno - 1 : node.end_lineno] = []
    path.write_text("".join(lines))


def section(project: BakedProject) -> str:
    """Return what the README says about one's own data."""
    page = (project.path / "README.md").read_text().partition("\n## Your own data\n")[2]
    return page.partition("\n## ")[0]


def test_other_data_take_the_place_of_the_example(fresh: BakedProject) -> None:
    page = section(fresh)
    named = {*re.findall(r"`(\w+)`", page)} - {"PICKUP", "ZONES"}  # these are to be deleted
    [command] = {*re.findall(r"`(uv run pytest [^`]+)`", page)}
    [promotion] = {*re.findall(r"`(uv run poe promote [^`]+)`", page)}
    fresh.run("uv", "run", "poe", "train")
    for sample in (fresh.path / "data").glob("*.parquet"):
        sample.unlink()
    fresh.run("uv", "run", "python", "-c", MAKE_MONTHS)

    unfit = fresh.run(*command.split(), check=False)
    assert "DataError" in unfit.stdout, "the test must see that nothing was edited yet"

    src = fresh.path / "src" / fresh.package
    edit(src / "data.py", DATA, named)
    edit(src / "features.py", FEATURES, named)
    edit(src / "model.py", MODEL, named, leave_the_rest=True)
    fresh.run("uv", "run", "poe", "fix")
    fit = fresh.run(*command.split())
    test = (fresh.path / "tests/test_your_data.py").read_text()
    assert re.search(
        rf"= {len(re.findall('^def test_', test, re.MULTILINE))} passed in", fit.stdout
    )

    checked = fresh.run("uv", "run", "poe", "check")
    assert re.search(r"= \d+ passed(, \d+ warnings?)? in", checked.stdout), "no test is left out"
    changed = fresh.run("git", "status", "--porcelain", "src", "tests").stdout.split()
    assert changed[1::2] == [f"src/{fresh.package}/{n}.py" for n in ("data", "features", "model")]

    elsewhere = {f"{fresh.package.upper()}_STATE_DIR": str(fresh.home / "state")}
    trained = fresh.run("uv", "run", "poe", "train", **elsewhere)
    output = trained.stdout + trained.stderr
    assert re.search(r"Version 1 promoted: test RMSE \d+\.\d+ points, ", output)

    # The samples' champion, which is there since the first training, stays until a person decides.
    refused = fresh.run("uv", "run", "poe", "train", check=False)
    assert refused.returncode
    assert "Version 2 is registered" in refused.stdout + refused.stderr
    assert "error: version 1: fails with the code that it was logged with (" in refused.stderr
    assert promotion in refused.stderr
    fresh.run(*promotion.replace("N", "2").split())
    trained = fresh.run("uv", "run", "poe", "train")
    assert "Version 3 not promoted" in trained.stdout + trained.stderr


def code_under(heading: str, page: str) -> list[str]:
    """Return the blocks of Python under a heading of the README."""
    found = page.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return re.findall(r"^```python\n(.*?)^```$", found, re.MULTILINE | re.DOTALL)


def test_the_readmes_own_example(fresh: BakedProject) -> None:
    """Put one CSV into data/, and predict a number of its months, and then a class."""
    page = section(fresh)
    named = {*re.findall(r"`(\w+)`", page)}
    [command] = {*re.findall(r"`(uv run pytest [^`]+)`", page)}
    for sample in (fresh.path / "data").glob("*.parquet"):
        sample.unlink()
    fresh.run("uv", "run", "python", "-c", MAKE_SALES)

    src = fresh.path / "src" / fresh.package
    data, features = code_under("A number", page)
    [problem] = re.findall(r"`(PROBLEM = Regression.+?)`", page)
    edit(src / "data.py", data, named - {"PICKUP"})
    edit(src / "features.py", features, named - {"ZONES"})
    edit(src / "model.py", problem, named, leave_the_rest=True)
    check_and_train(fresh, command, r"Version 1 promoted: test RMSE \d+\.?\d* euros, ")

    data, model = code_under("Classes", page)
    edit(src / "data.py", data, named, leave_the_rest=True)
    edit(src / "model.py", model, named, leave_the_rest=True)
    [imported] = re.findall(r"^from .+\n", model)
    path = src / "model.py"
    text = path.read_text().replace("XGBRegressor", "XGBClassifier")
    path.write_text(text.replace("from .kit", f"{imported}from .kit", 1))
    for store in ("mlflow.db", "mlartifacts"):
        assert store in page
        (shutil.rmtree if (fresh.path / store).is_dir() else Path.unlink)(fresh.path / store)
    check_and_train(fresh, command, r"Version 1 promoted: test log loss 0?\.\d+, ")
    fresh.run("uv", "run", "poe", "score")
    columns = pq.read_schema(fresh.path / "predictions/sales_2024-03.parquet").names
    assert {"prediction", "probability_kept", "probability_returned"} <= {*columns}


SNAPSHOTS = """
import numpy as np
import pandas as pd
rng = np.random.default_rng(0)
for month in ("2024-01", "2024-02", "2024-03"):
    plan, age = rng.choice(["basic", "plus", "pro"], 3_000), rng.uniform(18, 90, 3_000)
    spent = np.where(plan == "pro", 90, 20) + age / 3 + rng.normal(0, 5, 3_000)
    customers = pd.DataFrame({"plan": plan, "age": age, "spent": spent}).sort_values("spent")
    customers.to_csv(f"data/customers_{month}.csv", index=False)
"""
TIMELESS = """
TIME: str | None = None
TARGET = "spent"
NOUN = "customers"
SCHEMA = pa.schema({"plan": pa.string(), "age": pa.float64(), "spent": pa.float64()})
LABELS = ("spent",)
REQUIRED = ("spent",)
RANGES: dict[str, tuple[float, float]] = {}


def clean(customers: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    \"\"\"Return all rows with the target, and by reason which of them are bad.\"\"\"
    return customers, {}
"""
OF_SNAPSHOTS = """
GROUPS = ("plan",)
PER: str | None = None


def build_features(customers: pd.DataFrame) -> pd.DataFrame:
    \"\"\"Build the features; each row by itself, so that nothing leaks.\"\"\"
    return customers[["plan", "age"]]
"""


def test_rows_without_a_time(fresh: BakedProject) -> None:
    page = section(fresh)
    assert "`TIME: str | None = None` in `data.py`" in page
    named = {*re.findall(r"`(\w+)`", page)} - {"PICKUP", "ZONES"}
    [command] = {*re.findall(r"`(uv run pytest [^`]+)`", page)}
    for sample in (fresh.path / "data").glob("*.parquet"):
        sample.unlink()
    fresh.run("uv", "run", "python", "-c", SNAPSHOTS)
    src = fresh.path / "src" / fresh.package
    edit(src / "data.py", TIMELESS, named | {"TIME"})
    edit(src / "features.py", OF_SNAPSHOTS, named)
    path = src / "features.py"
    path.write_text(path.read_text().replace("from .data import TIME\n", ""))
    check_and_train(fresh, command, r"Version 1 promoted: test RMSE [56]\.\d+ minutes, ")
    engine = fresh.run("uv", "run", "poe", "train", "--engine", "external", check=False)
    assert "error: engine 'external': trains XGBoost only, on rows with a TIME" in engine.stderr
    for name, outcome in (("score", "Scored 3,000 of 3,000"), ("monitor", "learnt from: ")):
        done = fresh.run("uv", "run", "poe", name)
        assert outcome in done.stdout + done.stderr
    shutil.move(fresh.path / "data/customers_2024-03.csv", fresh.path / "data/customers.csv")
    nameless = fresh.run("uv", "run", "poe", "train", check=False)
    assert "customers.csv: no month in its name; call it like" in nameless.stderr


def check_and_train(project: BakedProject, command: str, outcome: str) -> None:
    """Format, check and test an edited project, and train it."""
    project.run("uv", "run", "poe", "fix")
    project.run("uv", "run", "poe", "typecheck")
    assert re.search(r"= \d+ passed(, \d+ warnings?)? in", project.run(*command.split()).stdout)
    trained = project.run("uv", "run", "poe", "train")
    assert re.search(f"(?i){outcome}", trained.stdout + trained.stderr), trained.stderr
