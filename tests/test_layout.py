"""How the generated code is cut: small files and functions, and imports that go one way."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest

from benchmarks.size import RENDERED, TEMPLATE, files_of, functions_in, room_of, tables

LONGEST_FILE, LONGEST_FUNCTION = 150, 25
# The one file that may be longer: its docstring says why.
LONGER = "kit/modelling/target_encoding.py"
FILES = files_of(RENDERED)
YOURS = {"data", "features", "model", "settings"}
CONTRACT = "kit.modelling.contract"
COMMANDS = "kit/commands.py"
# What is declared with the kit's names: a problem, and the kinds of settings.
DECLARED_WITH = {
    "model": {"kit.modelling.problems"},
    "settings": {"kit.locations", "kit.machine", "kit.project"},
}
# What modules may call when they are imported: to declare commands, and to check what is yours.
CALLS_AT_IMPORT = {
    "__main__": {"app.command"},
    CONTRACT: {"_check_names", "_check_columns"},
    "kit.orchestration": {"logging.getLogger(PACKAGE).setLevel"},
}


def module_of(file: str) -> str:
    """Return the name of a file's module in the package; of __init__.py, its folder's."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(file) for file in FILES}


def imports_of(file: str) -> set[str]:
    """Return the package's own modules that a file imports, in functions and for types as well."""
    parts = file.split("/")[:-1]
    found = set()
    for node in ast.walk(ast.parse(FILES[file])):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*parts[: len(parts) - node.level + 1], *filter(None, [node.module])]
            names = {".".join([*base, alias.name]) for alias in node.names}
            found |= {name if name in MODULES else ".".join(base) for name in names}
    return found - {""}


IMPORTS = {module_of(file): imports_of(file) for file in FILES}


def test_imports_are_found() -> None:
    assert {"data", "features", "model", "kit.modelling.problems"} <= IMPORTS[CONTRACT]
    assert "kit.sources" in IMPORTS["flows.shared"], "an import in a function"
    assert all(found <= MODULES for found in IMPORTS.values())


def test_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{tables(FILES)}")
    lengths = {file: len(source.splitlines()) for file, source in FILES.items()}
    too_long = {file: lines for file, lines in lengths.items() if lines > LONGEST_FILE}
    assert too_long.pop(LONGER, 0) < LONGEST_FILE * 1.2
    assert "longest file of the kit" in FILES[LONGER]
    for file, source in FILES.items():
        for function in functions_in(file, source):
            if function.lines > LONGEST_FUNCTION:
                too_long[f"{file}: {function.name}"] = function.lines
    assert not too_long, too_long


def test_the_readmes_say_how_much_is_yours() -> None:
    lines = {"yours": 0, "flows": 0, "kit": 0, "examples": 0}
    for file, source in FILES.items():
        lines[room_of(file).partition("/")[0]] += len(source.splitlines())
    says = {
        RENDERED.parents[1]: r"what is yours, about ([\d,]+) lines.*?The kit has about ([\d,]+) ",
        TEMPLATE: r"About ([\d,]+) lines are yours.*?The other ([\d,]+) are the kit",
    }
    for house, sentence in says.items():
        [said] = re.findall(sentence, (house / "README.md").read_text())
        yours, kit = (int(number.replace(",", "")) for number in said)
        assert yours == pytest.approx(lines["yours"] + lines["flows"], rel=0.1)
        assert kit == pytest.approx(lines["kit"], rel=0.1)


def test_imports_make_no_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def house_of(module: str) -> str:
    """Return the house that a module belongs to."""
    first = module.partition(".")[0]
    return "yours" if first in YOURS else first


def test_imports_go_one_way() -> None:
    """From the flows to the kit, from the kit to what is yours; never back."""
    below = {
        "__main__": {"flows", "kit", "yours"},
        "flows": {"flows", "kit", "yours"},
        "kit": {"kit", "yours"},
        "examples": {"examples"},
        "yours": {"yours"},
        "__init__": set(),
    }
    wrong = [
        f"{module} imports {name}"
        for module, imported in IMPORTS.items()
        for name in imported - DECLARED_WITH.get(module, set())
        if house_of(name) not in below[house_of(module)]
    ]
    assert wrong == []
    assert IMPORTS["settings"].isdisjoint(YOURS)


def test_only_the_contract_reads_what_is_yours() -> None:
    models = YOURS - {"settings"}
    readers = [name for name, found in IMPORTS.items() if name[:4] == "kit." and found & models]
    assert readers == [CONTRACT]
    modelling = {n: found & YOURS for n, found in IMPORTS.items() if n.startswith("kit.modelling")}
    assert [name for name, found in modelling.items() if found] == [CONTRACT]


def test_modelling_needs_little_of_the_kit() -> None:
    """What is logged with a model, to run it later, brings no Prefect and no MLflow."""
    needed, seen = {m for m in IMPORTS if m.startswith("kit.modelling")} | YOURS, set[str]()
    while needed - seen:
        seen |= needed
        needed |= {name for module in needed for name in IMPORTS[module]}
    for file, source in FILES.items():
        if module_of(file) in seen:
            assert not re.search(r"^\s*(import|from) (prefect|mlflow)\b", source, re.MULTILINE), (
                file
            )


def words_of(source: str) -> Iterator[str]:
    """Yield the names, texts and comments of a file; minutes of a timedelta are the clock's."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token, following in pairwise(tokens):
        if (token.string, following.string) != ("minutes", "="):
            yield token.string


def test_the_kit_knows_nothing_of_the_example() -> None:
    said = [
        f"{file}: {word}"
        for file, source in FILES.items()
        if file.startswith("kit/")
        for word in words_of(source)
        if re.search(r"(?i)\b(taxis?|trips?|minutes)(?![a-z])|pickup|dropoff", word)
    ]
    assert not said, "\n".join(said)


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that an import runs: of modules and classes, not of functions."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ClassDef | ast.If | ast.For | ast.While | ast.With | ast.Try):
            for inner in ("body", "orelse", "finalbody"):
                yield from statements_at_import(getattr(node, inner, []))


@pytest.mark.parametrize("file", FILES)
def test_an_import_does_nothing(file: str) -> None:
    """It defines: it sets no variable, hook, or attribute of another module, and calls nothing."""
    allowed = CALLS_AT_IMPORT.get(module_of(file), set())
    for node in statements_at_import(ast.parse(FILES[file]).body):
        text = ast.unparse(node)
        if isinstance(node, ast.Expr):
            is_text = isinstance(node.value, ast.Constant)
            called = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
            assert is_text or called in allowed, text
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            for target in targets:
                assert isinstance(target, ast.Name | ast.Tuple), text
        assert not isinstance(node, ast.For | ast.While | ast.With | ast.Try), text
    source = FILES[file]
    if file == COMMANDS:  # it saves each command a second at its end
        source = source.replace("import gc\n", "").replace("gc.freeze()", "")
    assert not re.search(r"\b(gc|atexit|meta_path|path_hooks)\b", source)
    assert not re.search(r"environ\.(setdefault|update|pop)|putenv", FILES[file])
