"""A model is logged with the code of this project, and with what that code needs."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from .files import CODE, code_files
from .modelling.contract import PROBLEM
from .project import PACKAGE_FOLDER

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

KINDS = {"i": "long", "f": "double", "M": "datetime", "O": "string", "U": "string"}
# What loads a saved pipeline, which no module imports.
ALWAYS = ("skops",)


def log(pipeline: "Pipeline", example: "pd.DataFrame") -> None:
    """Log a pipeline to the MLflow run that is active."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from .modelling.pipeline import TRUSTED

    columns = [ColSpec(KINDS.get(t.kind, "string"), str(n)) for n, t in example.dtypes.items()]
    outputs = Schema([ColSpec("long" if PROBLEM.classes else "double")])
    mlflow.sklearn.log_model(
        pipeline,
        name="model",
        signature=ModelSignature(inputs=Schema([*columns]), outputs=outputs),
        input_example=example,
        pip_requirements=requirements(PACKAGE_FOLDER),
        code_paths=[str(PACKAGE_FOLDER)],
        metadata={"code": CODE},
        skops_trusted_types=TRUSTED,
    )


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
    with suppress(SyntaxError, ValueError):  # a draft, which nothing can import
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.partition(".")[0]
