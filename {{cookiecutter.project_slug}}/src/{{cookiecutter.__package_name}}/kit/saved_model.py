"""A model is run by the code that it was logged with.

A saved pipeline names functions of this package. Were one of them edited since, the champion would
go on with other features than it learnt from, and nothing would say so.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import pyarrow as pa

from .files import CODE
from .modelling.contract import INPUTS, PROBLEM
from .project import PACKAGE

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from .modelling.problems import Floats

FILE = "model.skops"
PROCESS = Path(__file__).with_name("saved_model_process.py")


class Model(Protocol):
    """A fitted pipeline, wherever it runs."""

    def predict(self, X: "pd.DataFrame") -> "Floats":
        """Return the predictions from raw columns."""

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        """Return what its code makes of raw columns, of shape (n, features)."""


@contextmanager
def load(uri: str, name: str) -> Iterator[Model]:
    """Give a model from an address of MLflow; in another process if its code is not today's.

    Raises ValueError, with the model's name, if that process fails.
    """
    import mlflow

    logged = mlflow.models.Model.load(uri).metadata or {}
    is_todays = logged.get("code") == CODE
    with TemporaryDirectory() as folder:
        wanted = f"{uri}/{FILE}" if is_todays else uri
        path = Path(mlflow.artifacts.download_artifacts(wanted, dst_path=folder))
        if is_todays:
            from .modelling.pipeline import load as load_pipeline

            yield _Here(load_pipeline(path))
            return
        with _isolated(path, name) as model:
            yield model


@contextmanager
def _isolated(folder: Path, name: str) -> Iterator["_Isolated"]:
    # -P: the folder of the script, which holds today's code, is not searched.
    command = [sys.executable, "-P", str(PROCESS), PACKAGE, str(folder / FILE)]
    environment = os.environ | {"PYTHONPATH": str(folder / "code")}
    with (
        TemporaryFile() as errors,
        Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, env=environment) as process,
    ):
        yield _Isolated(process, errors, name)


def is_here(model: Model) -> bool:
    """Return whether a model runs in this process, and so answers many at once."""
    return isinstance(model, _Here)


class _Here:
    """A model of today's code."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    def predict(self, X: "pd.DataFrame") -> "Floats":
        return PROBLEM.predict(self._pipeline, X)

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        return cast("pd.DataFrame", self._pipeline[0].transform(X))


class _Isolated:
    """A model in another process, which reads and answers Arrow streams.

    An answer's first columns are the predictions, as many as the process says at first; the others
    are the features.
    """

    def __init__(self, process: Popen[bytes], errors: IO[bytes], name: str) -> None:
        self._rows = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)
        self._errors, self._name = errors, name
        self._predictions = int.from_bytes(self._answers.read(1), "big")
        if not self._predictions:
            raise self._failure()
        self._stream = pa.ipc.new_stream(self._rows, INPUTS)
        self._answered: Any = None

    def predict(self, X: "pd.DataFrame") -> "Floats":
        found = self._ask(X).select(range(self._predictions)).to_pandas().to_numpy()
        return cast("Floats", found if PROBLEM.classes else found[:, 0])

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        return cast("pd.DataFrame", self._ask(X).to_pandas().iloc[:, self._predictions :])

    def _ask(self, X: "pd.DataFrame") -> "pa.RecordBatch":
        with suppress(BrokenPipeError):
            self._stream.write_batch(pa.RecordBatch.from_pandas(X, INPUTS, preserve_index=False))
            self._rows.flush()
        try:
            self._answered = self._answered or pa.ipc.open_stream(self._answers)
            return self._answered.read_next_batch()
        except (pa.ArrowInvalid, OSError, StopIteration) as error:
            raise self._failure() from error

    def _failure(self) -> ValueError:
        with suppress(BrokenPipeError):
            self._rows.close()
        self._errors.seek(0)
        *_, reason = self._errors.read().decode(errors="replace").strip().split("\n")
        return ValueError(
            f"{self._name}: fails with the code that it was logged with ({reason}); "
            "promote one that fits today's data by hand, such as the newest: "
            "uv run poe promote --version N"
        )
