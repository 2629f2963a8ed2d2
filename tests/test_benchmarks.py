"""Each benchmark runs on the spot, at its smallest, and prints a whole table."""

import os
import re
import subprocess
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[1]
SMALLEST = {
    "bake": [],
    "engines": ["--rows", "2000", "--rounds", "3"],
    "first": [],
    "orchestration": [],
    "scoring": ["--rows", "2000"],
    "serving": [],
    "startup": [],
    "training": ["--rows", "2000"],
    "up": [],
}
ROWS = {
    "bake": 3,
    "engines": 4,
    "first": 5,
    "orchestration": 5,
    "scoring": 2,
    "serving": 2,
    "startup": 7,
    "training": 4,
    "up": 2,
}


def test_every_benchmark_is_run_here() -> None:
    scripts = {path.stem for path in (TEMPLATE / "benchmarks").glob("*.py")} - {"measure"}
    assert scripts == set(SMALLEST)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_prints_and_writes_its_table(name: str, tmp_path: Path) -> None:
    written = tmp_path / "table.md"
    uv = os.environ.get("UV", "uv")
    script = [uv, "run", "--quiet", f"benchmarks/{name}.py", *SMALLEST[name]]
    options = ["--times", "1", "--output", str(written)]
    done = subprocess.run([*script, *options], cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == written.read_text().strip()
    title, *rest = written.read_text().splitlines()
    assert re.fullmatch(r"\*\*.+\*\* \(\d{4}-\d\d-\d\d, \d+ cores, \d+ GB\)", title)
    header, _, *rows = [line.split(" | ") for line in rest if line.startswith("|")]
    assert len(rows) == ROWS[name]
    for row in rows:
        assert len(row) == len(header)
        assert float(row[header.index("p50 (ms)" if name == "serving" else "Seconds")]) > 0
