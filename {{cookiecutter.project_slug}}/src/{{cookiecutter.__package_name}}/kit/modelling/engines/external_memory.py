"""The engine "external": XGBoost reads its pages from the disk, on one machine."""

import ctypes
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from sklearn.pipeline import Pipeline

from ...progress import rounds_bar
from ..categories import Encode, Features
from ..contract import TrainParams
from ..parts import Part
from ..target_encoding import GroupMeans
from . import streaming
from .streaming import Span

# XGBoost keeps a few pages in memory, and 5 MB more for each that is on the disk.
PARTS_A_PAGE = 2


class Batches(xgb.DataIter):
    """The encoded rows of a span, a few parts at a time; XGBoost writes its pages to `folder`."""

    def __init__(
        self, parts: Sequence[Part], span: Span, encode: Encode, folder: Path | None
    ) -> None:
        super().__init__(cache_prefix=str(folder / "page") if folder else None)
        self._arguments = parts, span, encode
        self._batches: Iterator[tuple[Features, Any]] = iter(())

    def reset(self) -> None:
        """Begin again, as XGBoost does three times."""
        self._batches = _encoded(*self._arguments)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over a batch; False after the last one."""
        for data, label in self._batches:
            input_data(data=data, label=label)
            return True
        return False


def fit(
    paths: Sequence[Path], params: TrainParams, folder: Path, _scheduler: str, device: str
) -> Pipeline:
    """Fit to all rows of the months; the pages lie in a folder in `folder` meanwhile.

    A GPU trains on what fits into its memory, so its rows are in memory too, a byte a feature.
    """
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)  # of a process that was killed
    pages.mkdir(parents=True)
    try:
        return streaming.fit(paths, params, partial(_train, pages), device)
    finally:
        shutil.rmtree(pages, ignore_errors=True)


def _train(
    folder: Path,
    estimator: xgb.XGBModel,
    parts: Sequence[Part],
    span: Span,
    newest: Span | None,
) -> tuple[GroupMeans, xgb.Booster]:
    _give_back()
    means = streaming.learn_means(parts, span)
    on_disk = estimator.device != "cuda"
    kind = xgb.ExtMemQuantileDMatrix if on_disk else xgb.QuantileDMatrix
    pages = folder if on_disk else None
    batches, bins = Batches(parts, span, means.out_of_fold(), pages), estimator.max_bin
    matrix = kind(batches, max_bin=bins)
    means.finish()
    evals = []
    if newest:
        batches = Batches(parts, newest, lambda X, _: means.transform(X), pages)
        evals = [(kind(batches, max_bin=bins, ref=matrix), "newest")]
    _give_back()
    bar = rounds_bar(estimator.n_estimators, "Choosing the rounds" if newest else "Fitting")
    options = streaming.training_options(estimator)
    return means, xgb.train(dtrain=matrix, evals=evals, callbacks=[bar], **options)


def _encoded(parts: Sequence[Part], span: Span, encode: Encode) -> Iterator[tuple[Features, Any]]:
    for start in range(0, len(parts), PARTS_A_PAGE):
        page = [_encode(part, span, encode) for part in parts[start : start + PARTS_A_PAGE]]
        data, labels = (np.concatenate(pieces) for pieces in zip(*page, strict=True))
        if len(labels):
            yield data, labels


def _encode(part: Part, span: Span, encode: Encode) -> tuple[Features, Any]:
    X, y = streaming.read_features(part, span)
    return encode(X, part.first_row), y


def _give_back() -> None:
    """Have glibc give the system the memory that is free: it keeps 30 bytes a row in pieces."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
