"""How large the generated code is, and how much of it one training enters.

In the template, of what it renders; in a generated project, of that one's package. Without it:

    uv run python benchmarks/size.py
    uv run python ../prefect-ml-template/benchmarks/size.py --train  # in a generated project
"""

import argparse
import ast
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

TEMPLATE = Path(__file__).resolve().parents[1]
RENDERED = TEMPLATE / "{{cookiecutter.project_slug}}/src/{{cookiecutter.__package_name}}"
# The rooms of a package, from the outside in: the last one that fits is a file's.
ROOMS = ("yours", "flows", "kit", "kit/modelling", "kit/modelling/engines", "examples")


class Function(NamedTuple):
    """A function or a method, and the lines of its body."""

    file: str
    name: str
    lines: int


def package_here() -> Path:
    """Return the package of the generated project in this folder, or else the template's."""
    return next(Path.cwd().glob("src/*/flows"), RENDERED / "flows").parent.resolve()


def files_of(package: Path) -> dict[str, str]:
    """Return the sources of a package, by their path in it."""
    paths = sorted(package.rglob("*.py"))
    return {path.relative_to(package).as_posix(): path.read_text("utf-8") for path in paths}


def room_of(file: str) -> str:
    """Return the room that a file lies in."""
    folder = file.rpartition("/")[0]
    return [room for room in ROOMS if f"{folder}/".startswith(f"{room}/") or room == "yours"][-1]


def functions_in(file: str, source: str) -> Iterator[Function]:
    """Yield the functions of a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(file, node.name, body_lines(node))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a body: without the docstring, and with a flat list counted as one."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    inside = {line for node in map(ast.walk, body) for part in node for line in _flat(part)}
    return _last(body[-1]) - body[0].lineno + 1 - len(inside)


def _flat(node: ast.AST) -> set[int]:
    """Return the lines of a flat list but its first: values, or named ones, one on each line."""
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            items: list[tuple[int, int]] = [(item.lineno, _last(item)) for item in node.elts]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            items = [((key or value).lineno, _last(value)) for key, value in pairs]
        case ast.Call(args=[]):
            items = [(named.lineno, _last(named)) for named in node.keywords]
        case _:
            return set()
    starts = [first for first, last in items if first == last]
    is_flat = len({*starts}) == len(items) > 1
    return {*range(node.lineno + 1, _last(node) + 1)} if is_flat else set()


def _last(node: Any) -> int:
    return int(node.end_lineno)


class Entered:
    """The functions of a package that calls enter, in whatever thread."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.codes: set[CodeType] = set()

    def __enter__(self) -> "Entered":
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self.codes.add(frame.f_code)

    @property
    def functions(self) -> set[tuple[str, str]]:
        """Files and names; neither modules and classes, which imports enter, nor expressions."""
        return {
            (Path(code.co_filename).relative_to(self.package).as_posix(), code.co_qualname)
            for code in self.codes
            if code.co_flags & inspect.CO_OPTIMIZED and code.co_name[0] != "<"
            if Path(code.co_filename).is_relative_to(self.package)
        }


def entered_by_training(package: Path) -> set[tuple[str, str]]:
    """Return the functions that `train` enters, its imports included."""
    from importlib import import_module

    sys.path.insert(0, str(package.parent))
    with Entered(package) as entered:
        import_module(f"{package.name}.flows").train()
    return entered.functions


def tables(files: dict[str, str]) -> str:
    """Return the lines of each room, and what is longest, as markdown."""
    lengths = {name: len(source.splitlines()) for name, source in files.items()}
    rows = []
    for room in ROOMS:
        own = {name: length for name, length in lengths.items() if room_of(name) == room}
        if own:
            rows.append([room, len(own), f"{sum(own.values()):,}"])
    rows.append(["all", len(files), f"{sum(lengths.values()):,}"])
    file = max(lengths, key=lambda name: lengths[name])
    functions = [f for name, source in files.items() for f in functions_in(name, source)]
    longest = max(functions, key=lambda function: function.lines)
    lines = [["Room", "Files", "Lines"], ["---"] * 3, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + (
        f"\n\nThe longest file is {file} ({lengths[file]} lines), the longest function "
        f"{longest.name} in {longest.file} ({longest.lines} lines)."
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", action="store_true", help="train, and say what that enters")
    given = parser.parse_args()
    package = package_here()
    print(tables(files_of(package)))
    if given.train:
        entered = entered_by_training(package)
        files = {file for file, _ in entered}
        print(f"\nOne `train` enters {len(entered)} functions in {len(files)} files.")


if __name__ == "__main__":
    main()
