"""The champion over HTTP, by MLflow's own scoring server."""

from collections.abc import Awaitable, Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import registry
from .modelling.contract import PROBLEM, input_faults
from .project import PROJECT

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

    from .saved_model import Model

# Bytes of a request: some 30,000 rows of JSON.
MAX_BODY = 5_000_000


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the champion's predictions until Ctrl-C; start it again to take a newer champion.

    Args:
        host: Address to listen on; the default lets only this machine in.
        port: Port to listen on.
    """
    import uvicorn

    champion = registry.the_champion()
    with registry.load(champion.version) as model:
        app = make_app(f"models:/{PROJECT}/{champion.version}", model)
        url = f"http://{host}:{port}"
        where = f"POST {url}/invocations, GET {url}/health"
        print(f"Version {champion.version} of {PROJECT}: {where}", flush=True)
        uvicorn.run(app, host=host, port=port, log_level="warning", lifespan="off")


def make_app(uri: str, model: "Model") -> "FastAPI":
    """Make MLflow's server around a model, with the signature that it has in MLflow under `uri`.

    What MLflow answers with a 500, or does not look at, is refused: bodies without an end or a
    type, too long or too deep ones, and rows with input faults.
    """
    from mlflow.models import Model as Metadata
    from mlflow.pyfunc import PyFuncModel, scoring_server

    app: FastAPI = scoring_server.init(PyFuncModel(Metadata.load(uri), _Checked(model)))
    app.middleware("http")(_check_headers)
    app.add_exception_handler(RecursionError, _too_deep)
    return app


class _Checked:
    """A model that refuses rows with input faults."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        self._lock = Lock()

    def predict(self, rows: "pd.DataFrame") -> Any:
        """Return the predictions of rows of raw columns."""
        from mlflow.exceptions import MlflowException

        faults = {reason: int(bad.sum()) for reason, bad in input_faults(rows).items() if bad.any()}
        if faults:
            found = ", ".join(f"{reason}: {count}" for reason, count in faults.items())
            raise MlflowException.invalid_parameter_value(f"Rows that cannot be predicted: {found}")
        # A model in a process of its own answers one question at a time.
        with self._lock:
            predicted = self._model.predict(rows)
        columns = PROBLEM.columns(predicted)
        return pd.DataFrame(columns) if PROBLEM.classes else columns["prediction"]


async def _check_headers(
    request: "Request", go_on: "Callable[[Request], Awaitable[Response]]"
) -> "Response":
    if request.method != "POST":
        return await go_on(request)
    length = request.headers.get("content-length")
    if length is None:
        return _refuse(411, "The body's length is not known: send Content-Length")
    if int(length) > MAX_BODY:
        # A client that is still sending would not hear the answer.
        async for _ in request.stream():
            pass
        return _refuse(413, f"The body has more than {MAX_BODY:,} bytes: send fewer rows at a time")
    if "content-type" not in request.headers:
        return _refuse(415, "The body's type is not known: send Content-Type: application/json")
    return await go_on(request)


async def _too_deep(_request: "Request", _error: Exception) -> "Response":
    return _refuse(400, "The body is nested too deeply")


def _refuse(status: int, message: str) -> "Response":
    from fastapi.responses import JSONResponse

    # As MLflow's server puts it.
    return JSONResponse({"error_code": "BAD_REQUEST", "message": message}, status)
