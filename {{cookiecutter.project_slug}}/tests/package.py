"""The one place of the tests that knows the package's name."""

import {{ cookiecutter.__package_name }} as project
from {{ cookiecutter.__package_name }} import (
    checkpoints,
    data,
    encoding,
    evaluation,
    features,
    flows,
    isolation,
    parquet,
    registry,
    report,
    scoring,
    settings,
    sources,
    tasks,
    training,
)

__all__ = [
    "checkpoints",
    "data",
    "encoding",
    "evaluation",
    "features",
    "flows",
    "isolation",
    "parquet",
    "project",
    "registry",
    "report",
    "scoring",
    "settings",
    "sources",
    "tasks",
    "training",
]
