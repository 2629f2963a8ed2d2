"""docs/reliability.md names the tests that prove it."""

import re

from .conftest import TEMPLATE

PAGE = TEMPLATE / "{{cookiecutter.project_slug}}/docs/reliability.md"
PROOFS = ("faults", "kills", "outages", "two_at_once", "security")


def defined(*names: str) -> set[str]:
    """The tests of these files."""
    paths = [TEMPLATE / f"tests/test_{name}.py" for name in names]
    return {test for path in paths for test in re.findall(r"def (test_\w+)", path.read_text())}


def test_each_test_of_the_page_exists_and_each_fault_is_on_the_page() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    everywhere = defined(*(path.stem[5:] for path in (TEMPLATE / "tests").glob("test_*.py")))
    assert named <= everywhere
    assert defined(*PROOFS) <= named


def test_each_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith(("| what", "| --- "))]
    assert len(promises) > 20
    assert all("`test_" in row for row in promises)
