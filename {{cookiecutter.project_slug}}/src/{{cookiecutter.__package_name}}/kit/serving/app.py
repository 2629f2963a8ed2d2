"""The application of one process: it holds the champion, and follows a new one."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, nullcontext
from threading import Event, Lock
from typing import Any

import pandas as pd
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline

from .. import registry
from ..modelling.contract import PROBLEM
from ..project import PROJECT
from ..saved_model import Model, is_here
from . import rows
from .batches import Answer, Batches
from .bodies import MAX_BODY, WholeBodies

# More rows are predicted in a thread, so that other requests do not wait for them.
ROWS_AT_ONCE = 200
SECONDS_BETWEEN_LOOKS = 20


class Served:
    """The champion in memory; a newer one takes its place when it is loaded."""

    def __init__(self) -> None:
        self._stop, self._lock = Event(), Lock()
        self._batches = Batches(self._predict)
        self._take(registry.the_champion().version)

    def _take(self, version: int) -> None:
        resources = ExitStack()
        model = resources.enter_context(registry.load(version))
        self.current: tuple[int, Model, ExitStack] = version, model, resources

    def follow(self) -> None:
        """Look for a new champion from time to time, until `close`."""
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            try:
                champion, before = registry.champion(), self.current
                if champion and champion.version != before[0]:
                    self._take(champion.version)
                    self._stop.wait(SECONDS_BETWEEN_LOOKS)  # it may still be answering
                    before[2].close()
            except Exception as error:  # the champion at hand goes on
                print(f"No look at the champion: {error}", flush=True)

    def close(self) -> None:
        """End the looks and the model."""
        self._stop.set()
        self.current[2].close()

    async def predict(self, found: list[Any]) -> Answer:
        """Return the version and its predictions of rows."""
        if is_here(self.current[1]) and len(found) <= ROWS_AT_ONCE:
            return await self._batches.predict(found)
        return await run_in_threadpool(self._predict, found)

    def _predict(self, found: list[Any]) -> Answer:
        version, model, _ = self.current
        table = rows.make_table(found)
        # A model in a process of its own answers one question at a time.
        with nullcontext() if is_here(model) else self._lock:
            return version, model.predict(table)


def make_app() -> FastAPI:
    """Make the application; its champion is loaded when it starts."""
    about = "The champion's predictions"
    app = FastAPIOffline(title=PROJECT, summary=about, redoc_url=None, lifespan=_lifespan)
    app.add_middleware(WholeBodies)
    body = {"requestBody": {"content": {"application/json": {"schema": _schema()}}}}
    app.post("/predict", openapi_extra=body)(predict)
    app.post("/invocations", include_in_schema=False)(invocations)
    app.get("/version")(version)
    app.get("/health")(health)
    app.get("/ping", include_in_schema=False)(health)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.served = served = Served()
    threading.Thread(target=served.follow, daemon=True).start()
    yield
    served.close()


async def predict(request: Request) -> Response:
    """Predict rows of raw columns."""
    return await _answer(request, rows.read_predict, _named)


async def invocations(request: Request) -> Response:
    """Predict rows in the forms that MLflow's clients send."""
    return await _answer(request, rows.read_invocation, _as_mlflow)


async def version(request: Request) -> dict[str, Any]:
    """Say which version answers."""
    return {"model": PROJECT, "version": request.app.state.served.current[0]}


async def health() -> str:
    """Say that the server is up."""
    return "OK"


async def _answer(
    request: Request, read: Callable[[bytes], list[Any]], form: Callable[[Any], list[Any]]
) -> Response:
    kind = request.headers.get("content-type", "").replace(" ", "").lower()
    if kind not in {"application/json", "application/json;charset=utf-8"}:
        return _refuse(415, "The body's type is not known: send Content-Type: application/json")
    if "content-length" not in request.headers or "transfer-encoding" in request.headers:
        return _refuse(411, "The body's length is not known: send Content-Length, and no chunks")
    body = await request.body()
    if len(body) > MAX_BODY:
        return _refuse(413, f"The body has more than {MAX_BODY:,} bytes: send fewer rows at a time")
    try:
        found, predicted = await request.app.state.served.predict(read(body))
    except rows.BadRowsError as error:
        return _refuse(400, str(error))
    headers = {"X-Model-Version": str(found)}
    return JSONResponse({"predictions": form(predicted)}, headers=headers)


def _named(predicted: Any) -> list[Any]:
    return pd.DataFrame(PROBLEM.columns(predicted)).to_dict("records")


def _as_mlflow(predicted: Any) -> list[Any]:
    return _named(predicted) if PROBLEM.classes else predicted.tolist()


def _schema() -> dict[str, Any]:
    schema = rows.Predict.model_json_schema()
    schema["properties"]["rows"]["items"] = schema.pop("$defs")["Row"]
    return schema | {"example": {"rows": [rows.example()]}}


def _refuse(status: int, message: str) -> JSONResponse:
    # As MLflow's server puts it.
    return JSONResponse({"error_code": "BAD_REQUEST", "message": message}, status)
