"""The project's tests. They find the package by its folder, whatever its name."""

from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = next(ROOT.glob("src/*/flows")).parent.name


def module(name: str) -> Any:
    """Import a module of the package, such as module("kit.files")."""
    return import_module(f"{PACKAGE}.{name}")


def quick_params() -> Any:
    """Return TrainParams with few rounds; the default ones if they know no rounds."""
    params = module("model").TrainParams
    return params(max_rounds=40) if "max_rounds" in params.model_fields else params()
