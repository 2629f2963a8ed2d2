"""The kit's own tests: tests/kit is copied into a baked project, and runs there."""

import re
import shutil
from pathlib import Path

import pytest

from .conftest import BakedProject

pytestmark = pytest.mark.slow

KIT = Path(__file__).parent / "kit"
FEWEST = 280
# Months that are not in the repository.
MAY_BE_SKIPPED = "REAL_MONTHS"


def test_the_kit_keeps_its_promises(fresh: BakedProject) -> None:
    shutil.copytree(KIT, fresh.path / "tests/kit", ignore=shutil.ignore_patterns("__pycache__"))
    quiet = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    done = fresh.run("uv", "run", "pytest", "-q", "tests/kit", timeout=1800, **quiet)
    [passed] = re.findall(r"\b(\d+) passed", done.stdout)
    assert int(passed) >= FEWEST
    assert not re.search(rf"^SKIPPED(?!.*{MAY_BE_SKIPPED})", done.stdout, re.MULTILINE)
