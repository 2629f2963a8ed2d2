"""A temporary Prefect server where none is named, and imports while it starts."""

from contextlib import suppress
from importlib import import_module
from threading import Thread

from prefect.client.orchestration import get_client

from .deployment import api_url
from .training import import_skops

AHEAD = ["xgboost", "mlflow.sklearn", ".features", ".plots"]
"""What takes long to import, of all that a training needs."""


def start_server() -> None:
    """Start the server that Prefect starts for a flow, and use the wait: 6 s, the first time 20."""
    if not api_url():
        import_module("prefect.server.api.server")  # before both threads want it
        imports = Thread(target=_import_ahead, daemon=True)
        imports.start()
        get_client(sync_client=True)
        imports.join()


def _import_ahead() -> None:
    with suppress(Exception):  # it comes again where the module is needed
        for module in AHEAD:
            import_module(module, __package__)
        import_skops()
