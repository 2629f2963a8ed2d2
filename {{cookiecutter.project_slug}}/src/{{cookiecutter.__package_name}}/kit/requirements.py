"""What the code that is logged with a model needs: its imports, in the installed versions."""

import ast
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

from .files import code_files

# What loads a saved pipeline, which no module imports.
ALWAYS = ("skops",)


def requirements(package: Path) -> list[str]:
    """Return the packages that a package's modelling code imports, as name==version."""
    # Engines only make a model; it predicts without them.
    code = [path for name, path in code_files(package).items() if "engines/" not in name]
    kit = [package / "kit" / f"{name}.py" for name in ("files", "locations", "progress", "project")]
    files = [path for path in (*code, *kit) if path.suffix == ".py"]
    imported = {name for path in files for name in _imports(path)} | {*ALWAYS}
    providers = packages_distributions()
    found = {providers[name][0] for name in (imported - {package.name}) & providers.keys()}
    return sorted(f"{name}=={version(name)}" for name in found)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
