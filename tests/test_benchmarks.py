"""The benchmark that takes seconds prints a whole table; the others know --help.

All of them would take a third of the time of the test command. What they printed before is in
docs/benchmarks.md, and the README quotes it.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import BakedProject

TEMPLATE = Path(__file__).parents[1]
# Neither what they share, nor what counts lines (tests/test_layout.py).
APART = {"measure", "size"}
SCRIPTS = sorted({path.stem for path in (TEMPLATE / "benchmarks").glob("*.py")} - APART)
TITLE = r"\*\*.+\*\* \(\d{4}-\d\d-\d\d, \d+ cores, \d+ GB\)"
PAGE = TEMPLATE / "docs" / "benchmarks.md"


def test_each_benchmark_has_its_table() -> None:
    page = PAGE.read_text()
    assert sorted(re.findall(r"`benchmarks/(\w+)\.py`", page)) == SCRIPTS
    assert len(re.findall(rf"^{TITLE}\n\n\|", page, re.MULTILINE)) == len(SCRIPTS)


def test_the_readme_quotes_the_tables() -> None:
    section = (TEMPLATE / "README.md").read_text().partition("\n## Benchmarks\n")[2]
    figures = re.findall(r"\d[\d.,]*\d", section.partition("\n## ")[0])
    assert len(figures) > 5
    measured = {*re.findall(r"\d[\d.,]*\d", PAGE.read_text())}
    assert [figure for figure in figures if figure not in measured] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_says_what_it_measures(name: str) -> None:
    script = [os.environ.get("UV", "uv"), "run", "--quiet", f"benchmarks/{name}.py", "--help"]
    done = subprocess.run(script, cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--times" in done.stdout
    assert "--output" in done.stdout


@pytest.mark.slow
def test_a_benchmark_prints_and_writes_its_table(tmp_path: Path) -> None:
    written = tmp_path / "table.md"
    script = [os.environ.get("UV", "uv"), "run", "--quiet", "benchmarks/bake.py"]
    options = ["--times", "1", "--output", str(written)]
    done = subprocess.run([*script, *options], cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == written.read_text().strip()
    title, *rest = written.read_text().splitlines()
    assert re.fullmatch(TITLE, title)
    header, _, *rows = [line.split(" | ") for line in rest if line.startswith("|")]
    assert len(rows) == 3
    for row in rows:
        assert len(row) == len(header)
        assert float(row[header.index("Seconds")]) > 0


@pytest.mark.slow
def test_what_one_training_enters_is_counted(fresh: BakedProject) -> None:
    script = str(TEMPLATE / "benchmarks/size.py")
    counted = fresh.run("uv", "run", "python", script, "--train").stdout
    rooms = re.findall(r"^\| (\w[\w/]*) \| \d+ \| [\d,]+ \|$", counted, re.MULTILINE)
    assert rooms[0] == "yours"
    assert rooms[-1] == "all"
    [(functions, files)] = re.findall(r"One `train` enters (\d+) functions in (\d+) files", counted)
    assert 50 < int(functions) < 200
    assert 10 < int(files) < 50
    print(counted)
