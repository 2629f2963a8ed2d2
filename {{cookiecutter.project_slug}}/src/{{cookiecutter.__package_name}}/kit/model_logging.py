"""A model is logged with what it needs to predict: files of this package, and other packages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import packages_distributions, version
from modulefinder import ModuleFinder
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .files import CODE, code_files
from .modelling.contract import PROBLEM
from .project import PACKAGE_FOLDER

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"i": "long", "f": "double", "M": "datetime", "O": "string", "U": "string"}


def log(saved: Path, example: "pd.DataFrame") -> None:
    """Log a saved pipeline to the MLflow run that is active: with its code and what that needs."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from .modelling import pipeline

    columns = [ColSpec(KINDS.get(t.kind, "string"), str(n)) for n, t in example.dtypes.items()]
    outputs = Schema([ColSpec("long" if PROBLEM.classes else "double")])
    with copied_code(PACKAGE_FOLDER) as code:
        mlflow.sklearn.log_model(
            pipeline.load(saved),
            name="model",
            signature=ModelSignature(inputs=Schema([*columns]), outputs=outputs),
            input_example=example,
            pip_requirements=requirements(PACKAGE_FOLDER),
            code_paths=[str(code)],
            metadata={"code": CODE},
            skops_trusted_types=pipeline.trusted_types(saved),
        )


@contextmanager
def copied_code(package: Path) -> Iterator[Path]:
    """Give a copy of what the pipelines of a package need of it."""
    files = {vars(module)["__file__"] for module in _follow(package).modules.values()} - {None}
    with TemporaryDirectory() as folder:
        for path in {*map(Path, files), *_own_files(package)}:
            copy = Path(folder, path.relative_to(package.parent))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        yield Path(folder, package.name)


def requirements(package: Path) -> list[str]:
    """Return the other packages that the pipelines of a package import, as name==version."""
    imported = {name.partition(".")[0] for name in _follow(package).badmodules}
    providers = packages_distributions()
    found = {providers[name][0] for name in (imported - {package.name}) & providers.keys()}
    return sorted(f"{name}=={version(name)}" for name in found)


def _follow(package: Path) -> ModuleFinder:
    """Follow the imports of a package's pipelines; none is found but the package's own modules."""
    finder = ModuleFinder([str(package.parent)])
    own = _own_files(package)
    for folder in {path.parent for path in own if not (path.parent / "__init__.py").exists()}:
        # The finder knows no packages without that file.
        vars(finder.add_module(_dotted(folder, package)))["__path__"] = [str(folder)]
    for path in (*own, package / "kit/modelling/pipeline.py"):
        if path.suffix == ".py":
            with suppress(ImportError):  # a name such as notes.old.py, which is no module's
                finder.import_hook(_dotted(path, package))
    return finder


def _dotted(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _own_files(package: Path) -> list[Path]:
    return [path for name, path in code_files(package).items() if not name.startswith("kit/")]
