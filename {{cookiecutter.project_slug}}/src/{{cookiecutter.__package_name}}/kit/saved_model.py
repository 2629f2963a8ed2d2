"""A model is run by the code that it was logged with.

A saved pipeline names functions of this package. Were one of them edited since, the champion would
go on with other features than it learnt from, and nothing would say so.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import pyarrow as pa

from .files import CODE, code_digest
from .modelling.contract import INPUTS, PROBLEM
from .project import PACKAGE, PACKAGE_FOLDER
from .requirements import requirements

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from .modelling.problems import Floats

PROCESS = Path(__file__).with_name("saved_model_process.py")
KINDS = {"i": "long", "f": "double", "M": "datetime", "O": "string", "U": "string"}


class Model(Protocol):
    """A fitted pipeline, wherever it runs."""

    def predict(self, X: "pd.DataFrame") -> "Floats":
        """Return the predictions from raw columns."""

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        """Return what its code makes of raw columns, of shape (n, features)."""


def logging_options(example: "pd.DataFrame") -> dict[str, Any]:
    """Return what MLflow keeps with a model: its code, what that needs, and its signature."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from .modelling.pipeline import TRUSTED

    columns = [ColSpec(KINDS.get(t.kind, "string"), str(n)) for n, t in example.dtypes.items()]
    outputs = Schema([ColSpec("long" if PROBLEM.classes else "double")])
    return {
        "name": "model",
        "signature": ModelSignature(inputs=Schema([*columns]), outputs=outputs),
        "input_example": example,
        "pip_requirements": requirements(PACKAGE_FOLDER),
        "code_paths": [str(PACKAGE_FOLDER)],
        "skops_trusted_types": TRUSTED,
    }


@contextmanager
def load(folder: str | Path, name: str) -> Iterator[Model]:
    """Give the model that MLflow logged in `folder`; in another process if its code is not today's.

    Raises ValueError, with the model's name, if that process fails.
    """
    saved, code = Path(folder, "model.skops"), Path(folder, "code")
    if code_digest(code / PACKAGE) == CODE:
        from .modelling.pipeline import load as load_pipeline

        yield _Here(load_pipeline(saved))
        return
    # -P: the folder of the script, which holds today's code, is not searched.
    command = [sys.executable, "-P", str(PROCESS), PACKAGE, str(saved)]
    environment = os.environ | {"PYTHONPATH": str(code)}
    with (
        tempfile.TemporaryFile() as errors,
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
