"""What the pages of both houses say: links, trees, commands and spelling, on every system."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject
from .pages import Page

RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}
"""File names that Windows keeps for itself, with any suffix."""
CACHES = r"\.git|\.venv|__pycache__|\.hypothesis|\..+_cache"
TOOLS = {"dask", "prefect", "pytest", "pre-commit", "python"}
NOT_WORDS = ["--skip=.git,*.parquet,*.png", "--ignore-words-list=selekt"]
# Straight quotes are code's; a setting may stand next to its own word.
NOT_GRAMMAR = r": (typography|lexical_illusions)\b"
MANNERISMS = re.compile(
    r"\b(?:is|are|was|were) told\b|\bbeside\b|\bcomes? of\b|\bmend(?:s|ed|ing)?\b|\banew\b"
    r"|known hole|what [a-z]+ is like",
    re.IGNORECASE,
)
OTHERS = {"git", "curl", "docker", "podman", "uvx", "python3"}


@pytest.fixture(scope="module")
def houses(bake: Callable[..., BakedProject], template: Path) -> dict[str, Path]:
    """The template, and projects with the answers that change a page."""
    return {
        "template": template,
        "default": bake().path,
        "other": bake(storage="git", work_pool_type="docker").path,
    }


@pytest.fixture(scope="module", params=["template", "default", "other"])
def pages(request: pytest.FixtureRequest, houses: dict[str, Path]) -> list[Page]:
    root = houses[request.param]
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    assert root / "README.md" in found
    return [Page(path, root) for path in found]


def test_links_lead_somewhere(pages: list[Page]) -> None:
    for page in pages:
        assert not page.references, page.path
        for link in page.links:
            if link.startswith(("https://", "http://127.0.0.1")):
                continue
            name, _, anchor = link.partition("#")
            target = Page((page.path.parent / name).resolve() if name else page.path, page.root)
            assert target.path.is_file(), f"{page.path}: {link}"
            assert target.path.is_relative_to(page.root), f"{page.path}: {link}"
            assert not anchor or anchor in target.anchors, f"{page.path}: {link}"


def test_commands_are_known(pages: list[Page], houses: dict[str, Path]) -> None:
    tasks = tomllib.loads((houses["default"] / "pyproject.toml").read_text())["tool"]["poe"]
    for page in pages:
        inline = re.findall(r"`(uvx? [^`]+)`", page.prose)
        for command in [part for line in (*page.commands, *inline) for part in line.split(" && ")]:
            assert is_known(command.split(), set(tasks["tasks"]), page.root), (
                f"{page.path}: {command}"
            )


def is_known(words: list[str], tasks: set[str], root: Path) -> bool:
    """Whether the program or the task is one of the project's, and its script is there."""
    if words[:2] == ["python3", "-m"]:
        words = words[2:]
    if words[:3] == ["uv", "run", "--group"]:
        words = [*words[:2], *words[4:]]
    match words:
        case ["uv", "run", "poe"] | ["uv", "run", "poe", "COMMAND", *_] | ["cd" | "pip", *_]:
            return True
        case ["uv", "run", "poe", task, *_]:
            return task in tasks
        case ["uv", "run", "python", "-m", module, *_]:
            return root.joinpath(*module.split(".")).with_suffix(".py").exists()
        case ["uv", "run", "python" | "pytest", script, *_] if not script.startswith("-"):
            return (root / script).exists()
        case ["uv", "run", tool, *_]:
            return tool in TOOLS
        case ["uv", command, *_]:
            return command in {"add", "lock", "remove", "sync", "tool"}
        case [program, *_]:
            return program in OTHERS
    return False


def test_contributors_find_each_test(template: Path) -> None:
    page = (template / "docs/contributing.md").read_text()
    tests = {path.name for path in (template / "tests").glob("test_*.py")}
    assert {*re.findall(r"`(test_\w+\.py)`", page)} == tests


def test_the_projects_tree_is_true(houses: dict[str, Path]) -> None:
    root = houses["default"]
    [tree] = [block for block in Page(root / "README.md", root).blocks("text") if "src/" in block]
    modules: set[str] = set()
    others: set[str] = set()
    for line in tree.splitlines():
        name, about = re.split(r" {2,}", line.strip(), maxsplit=1) + [""] * (
            "  " not in line.strip()
        )
        assert about or name.startswith("src/"), line
        (modules if line.startswith("  ") else others).add(name)
    package = root / "src/taxi_duration"
    there = {f"{path.name}/" if path.is_dir() else path.name for path in package.iterdir()}
    assert modules == there - {"__init__.py", "__main__.py"}
    assert len(modules) == len(re.findall(r"^  ", tree, re.MULTILINE)), "a line is there twice"
    folders = {f"{path.name}/" for path in root.iterdir() if path.is_dir() and path.name[0] != "."}
    assert folders <= {name.split("/")[0] + "/" for name in others}
    assert all((root / name).exists() for name in others)


def test_the_templates_tree_is_true(houses: dict[str, Path]) -> None:
    page = Page(houses["template"] / "docs/tour.md", houses["template"])
    [tree] = [block for block in page.blocks("text") if block.startswith("taxi-duration/")]
    folder = Path()
    for line in tree.splitlines()[1:]:
        name = re.search(r"── (\S+)", line)
        assert name, line
        parent = folder if line.startswith("│") else Path()
        assert (houses["default"] / parent / name[1]).exists(), line
        if name[1].endswith("/") and not line.startswith("│"):
            folder = Path(name[1])


def test_the_questions_are_those_of_cookiecutter(houses: dict[str, Path]) -> None:
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    page = (TEMPLATE / "docs/questions.md").read_text()
    table = page.partition("\n## ")[0].partition("| --- |")[2]
    cells = " ".join(line.split("|")[1] for line in table.splitlines()[1:] if "|" in line)
    assert re.findall(r"`(\w+)`", cells) == [name for name in questions if name[0] != "_"]


def test_pictures_are_shown_and_small(houses: dict[str, Path]) -> None:
    root = houses["template"]
    pictures = {path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.png")}
    shown = {
        (page.path.parent / link).relative_to(root).as_posix()
        for page in (Page(root / "README.md", root), Page(root / "docs/tour.md", root))
        for link in page.links
        if link.endswith(".png")
    }
    assert shown == pictures
    assert len(pictures) == 10
    assert all((root / name).stat().st_size < 200_000 for name in pictures)


def test_spelling(houses: dict[str, Path]) -> None:
    for root in houses.values():
        codespell = [sys.executable, "-m", "codespell_lib", "--check-hidden", *NOT_WORDS, "."]
        done = subprocess.run(codespell, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_grammar(houses: dict[str, Path]) -> None:
    for root in houses.values():
        command = [sys.executable, "-m", "proselint", "check", *root.glob("*.md")]
        command += root.glob("docs/*.md")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [line for line in done.stdout.splitlines() if re.match(r".*\.md:\d+:\d+: ", line)]
        assert [line for line in found if not re.search(NOT_GRAMMAR, line)] == []
        assert found, "it says nothing of straight quotes: it was not at work"


def test_the_language_is_plain(houses: dict[str, Path]) -> None:
    for root in houses.values():
        for path in (*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("[sh]*/**/*.py")):
            assert not re.findall(MANNERISMS, path.read_text()), path


def test_paths_are_fit_for_windows(houses: dict[str, Path]) -> None:
    for root in houses.values():
        seen = set()
        for path in files(root):
            for part in path.parts:
                assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[ .]$', part), path
                assert part.split(".")[0].lower() not in RESERVED, path
            assert str(path).lower() not in seen, f"{path}: only its case differs from another's"
            seen.add(str(path).lower())
            assert len(str(path)) < 150, path


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_lines_end_alike_everywhere(houses: dict[str, Path]) -> None:
    for root in (TEMPLATE, houses["default"]):
        names = ["README.md", "data/a.parquet", "a.png", "a.py"]
        command = ["git", "-C", str(root), "check-attr", "eol", "text", "--", *names]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for name in ("README.md", "a.py"):
            assert f"{name}: eol: lf" in said
        for name in ("data/a.parquet", "a.png"):
            assert f"{name}: text: unset" in said
        for path in files(root):
            assert path.suffix in {".parquet", ".png"} or b"\r" not in (root / path).read_bytes()


def test_the_way_in_needs_no_posix_shell(houses: dict[str, Path]) -> None:
    for house in ("default", "other"):
        for command in Page(houses[house] / "README.md", houses[house]).commands:
            assert not re.search(r"&&|[|;$`'~\\]|^(export|source|\.) ", command), command
    template = Page(houses["template"] / "README.md", houses["template"])
    first, *others = template.commands
    assert "On Windows write `py` for `python3`" in template.prose
    assert not re.search(r"[|;$`'~\\]", first)
    assert not any("&&" in command for command in others)


def files(root: Path) -> Iterator[Path]:
    """The files of a project, by their paths from its root, without git's own and caches."""
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if path.is_file() and not any(re.fullmatch(CACHES, part) for part in name.parts):
            yield name
