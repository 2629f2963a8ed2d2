"""The wait before a flow: bytecode, a temporary Prefect server, and imports while it starts.

A command does the same without it, only later: what fails here fails again where it is needed, and
is told there.
"""

import atexit
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from subprocess import DEVNULL, Popen
from threading import Thread

COMPILED = ["sqlalchemy", "prefect", "fastapi"]
IMPORTED = ["xgboost", "mlflow.sklearn", ".features", ".plots"]
"""What takes longest to compile for a server, and to import for a training."""


def compile_ahead() -> "Popen[bytes] | None":
    """Give Prefect its bytecode from a second core, if it has none: 5 s of the first start.

    Returns the process, which ends with this one at the latest.
    """
    files = [Path(str(spec.origin)) for name in COMPILED if (spec := find_spec(name))]
    folders = [
        file.parent
        for file in files
        if not Path(cache_from_source(str(file))).exists() and os.access(file.parent, os.W_OK)
    ]
    if not folders or sys.dont_write_bytecode:
        return None
    command = [sys.executable, "-m", "compileall", "-qq", *map(str, folders)]
    process = Popen(command, stderr=DEVNULL)
    atexit.register(process.kill)
    return process


def start_server() -> None:
    """Start the server that Prefect starts for a flow, and use the wait: 6 s, the first time 15."""
    from prefect.client.orchestration import get_client

    from .deployment import api_url

    if not api_url():
        import_module("prefect.server.api.server")  # before both threads want it
        training = Thread(target=_prepare_training, daemon=True)
        training.start()
        get_client(sync_client=True)
        training.join()


def _prepare_training() -> None:
    from .registry import Registry
    from .settings import Settings
    from .training import import_skops

    with suppress(Exception):
        for module in IMPORTED:
            import_module(module, __package__)
        import_skops()
        Registry(Settings())  # makes MLflow's database
