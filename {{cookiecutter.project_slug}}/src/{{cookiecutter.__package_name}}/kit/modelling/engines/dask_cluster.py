"""The engine "dask": the parts of the months are spread over the workers of a cluster."""

import os
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, as_completed, wait
from sklearn.pipeline import Pipeline
from xgboost import Booster, XGBModel
from xgboost import dask as dxgb

from ...files import CODE
from ..categories import Encode, Features
from ..contract import TrainParams
from ..parts import Part
from ..target_encoding import GroupMeans
from . import streaming
from .streaming import Span

# Processes of a local cluster.
WORKERS = 2


def fit(
    paths: Sequence[Path], params: TrainParams, _folder: Path, scheduler: str, device: str
) -> Pipeline:
    """Fit to all rows of the months, with the workers of a scheduler or of a local cluster.

    Raises ConnectionError if a worker is lost: another try has what is left, or a new cluster.
    """
    with _client(scheduler) as client, _naming_lost_workers(client):
        _check_code(client)
        return streaming.fit(paths, params, partial(_train, client), device)


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    if scheduler:
        try:
            client = Client(scheduler)
        except OSError as error:
            raise ConnectionError(f"{scheduler}: no dask scheduler answers; start it") from error
        except ValueError as error:
            raise ValueError(
                f"{scheduler}: is no dask scheduler ({error}); give it as tcp://host:8786"
            ) from error
        with client:
            yield client
        return
    threads = max(1, (os.cpu_count() or 1) // WORKERS)
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=threads, dashboard_address=None)
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def _naming_lost_workers(client: Client) -> Iterator[None]:
    """Say of an error that a lost worker caused it, which dask and XGBoost say in many ways."""
    workers = set(client.nthreads())
    try:
        yield
    except (Exception, CancelledError) as error:
        lost = workers - set(client.nthreads())
        if not lost:
            raise
        raise ConnectionError(
            f"engine 'dask': lost {len(lost)} of {len(workers)} workers in the training "
            f"({', '.join(sorted(lost))}); look at their logs and memory, and train again"
        ) from error


def _check_code(client: Client) -> None:
    """Raise ValueError unless there are workers, and all have this code."""
    if not client.nthreads():
        raise ValueError(f"{client.scheduler_info()['address']}: has no workers; start some")
    for address, code in client.run(_code).items():
        if code != CODE:
            raise ValueError(f"{address}: has other code; install this version and restart it")


def _code() -> str:
    # The code as it was when this worker began.
    return CODE


def _train(
    client: Client,
    estimator: XGBModel,
    parts: Sequence[Part],
    span: Span,
    newest: Span | None,
) -> tuple[GroupMeans, Booster]:
    means = _learn_means(client, parts, span)
    rows, bins = _encode(client, parts, span, means.out_of_fold()), estimator.max_bin
    matrix = dxgb.DaskQuantileDMatrix(client, *rows, max_bin=bins)
    means.finish()
    evals = []
    if newest:
        rows = _encode(client, parts, newest, lambda X, _: means.transform(X))
        evals = [(dxgb.DaskQuantileDMatrix(client, *rows, max_bin=bins, ref=matrix), "newest")]
    options = streaming.training_options(estimator)
    trained = dxgb.train(client, dtrain=matrix, evals=evals, **options)
    return means, trained["booster"]


def _learn_means(client: Client, parts: Sequence[Part], span: Span) -> GroupMeans:
    tasks = 2 * len(client.nthreads())
    shares = [share for i in range(tasks) if (share := parts[i::tasks])]
    learnt = client.map(streaming.learn_means, shares, span=span, pure=False)
    (_, means), *others = as_completed(learnt, with_results=True)
    for _, other in others:
        means.merge(other)
    return means


def _encode(
    client: Client, parts: Sequence[Part], span: Span, encode: Encode
) -> tuple[da.Array, da.Array]:
    """Return a span's rows in the workers' memory: X of shape (n, features), y of (n,)."""
    shared = client.scatter(encode, broadcast=True)
    futures = client.map(_encoded, parts, span=span, encode=shared, pure=False)
    shapes = client.gather(client.map(np.shape, futures))
    arrays = [
        da.from_delayed(future, shape, np.float32)
        for future, shape in zip(futures, shapes, strict=True)
        if shape[0]
    ]
    rows = da.concatenate(arrays)
    # Held, or XGBoost finds that X and y have partitions that do not fit.
    X, y = client.persist([rows[:, :-1], rows[:, -1]])
    wait([X, y])
    return X, y


def _encoded(part: Part, span: Span, encode: Encode) -> Features:
    """Return features and, in the last column, the target."""
    X, y = streaming.read_features(part, span)
    return np.column_stack([encode(X, part.first_row), y.astype(np.float32)])
