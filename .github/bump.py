"""Move the template to newer versions: python .github/bump.py [--until DAY] [--without NAME].

Every `exclude-newer` of both houses moves to a week ago, or to the day that is given; --without
takes the upper bound of a dependency of the rendered project away, to see whether it is needed.
The tests then say whether that works: uv run pytest.
"""

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RENDERED = "{{cookiecutter.project_slug}}/pyproject.toml"
DATE = re.compile(r'^(# )?exclude-newer = "[\d-]+"$', re.MULTILINE)


def move_dates(root: Path, day: str) -> list[str]:
    """Write the day into each file that has a date; return their names."""
    files = [root / "pyproject.toml", root / RENDERED, *sorted((root / "benchmarks").glob("*.py"))]
    moved = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        new = DATE.sub(lambda found: f'{found[1] or ""}exclude-newer = "{day}"', text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            moved.append(path.relative_to(root).as_posix())
    return moved


def remove_bound(root: Path, name: str) -> str:
    """Take a dependency's upper bound away, and return the line without it."""
    path = root / RENDERED
    line = re.compile(
        rf'^(    "{re.escape(name)}(?:\[[\w,]+\])?[^"<\n]*?),?<[^";\n]*', re.MULTILINE
    )
    text, count = line.subn(r"\1", path.read_text(encoding="utf-8"))
    if not count:
        raise SystemExit(f"error: {name}: has no upper bound in {RENDERED}")
    path.write_text(text, encoding="utf-8")
    return next(found for found in text.splitlines() if found.startswith(f'    "{name}'))


def main() -> None:
    """Do what the options say, and list what changed."""
    a_week_ago = datetime.now(UTC).date() - timedelta(days=7)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--until", default=f"{a_week_ago}", help="the day, as yyyy-mm-dd")
    parser.add_argument("--without", help="a dependency whose upper bound goes")
    given = parser.parse_args()
    for name in move_dates(ROOT, given.until):
        print(f"{name}: exclude-newer is {given.until}")
    if given.without:
        print(remove_bound(ROOT, given.without).strip())


if __name__ == "__main__":
    main()
