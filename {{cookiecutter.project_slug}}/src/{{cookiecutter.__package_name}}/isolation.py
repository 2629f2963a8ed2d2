"""A model is run by the code that it was logged with.

A saved pipeline names functions of this package. Were one of them edited since, the champion would
go on with other features than it learnt from, and nothing would say so.
"""

import filecmp
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sklearn.pipeline import Pipeline

CODE = ("data.py", "encoding.py", "features.py")
"""The modules that a saved pipeline runs."""

HERE = Path(__file__).parent

PREDICT = f"""
import sys
from pathlib import Path
import pyarrow.ipc
from {__package__} import training
pipeline = training.load(Path(sys.argv[1]))
out, sys.stdout = sys.stdout.buffer, sys.stderr
out.write(b"!")
out.flush()
answers = None
for batch in pyarrow.ipc.open_stream(sys.stdin.buffer):
    X = pipeline[0].transform(batch.to_pandas())
    predicted = pipeline[1:].predict(X)
    X = X.astype("float64")  # one schema for all batches
    X.insert(0, "", predicted.astype("float64"))
    answer = pyarrow.RecordBatch.from_pandas(X, preserve_index=False)
    answers = answers or pyarrow.ipc.new_stream(out, answer.schema)
    answers.write_batch(answer)
    out.flush()
"""


class Model(Protocol):
    """A fitted pipeline, wherever it runs."""

    def predict(self, X: "pd.DataFrame") -> Any:
        """The target, of shape (n,), from raw columns."""

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        """What its code makes of raw columns, of shape (n, features)."""


@contextmanager
def load(folder: Path, name: str) -> Iterator[Model]:
    """The model that MLflow logged in `folder`, in a process of its own if its code is not today's.

    Raises ValueError, with the model's name, if that process fails.
    """
    saved, code = folder / "model.skops", folder / "code"
    same, *_ = filecmp.cmpfiles(HERE, code / HERE.name, CODE, shallow=False)
    if len(same) == len(CODE):
        from . import training

        yield _Here(training.load(saved))
    else:
        command = [sys.executable, "-P", "-c", PREDICT, str(saved)]  # -P: not today's code either
        environment = os.environ | {"PYTHONPATH": str(code)}
        with (
            tempfile.TemporaryFile() as errors,
            Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, env=environment) as process,
        ):
            yield _Isolated(process, errors, name)


class _Here:
    """A model of today's code."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    def predict(self, X: "pd.DataFrame") -> Any:
        """The target, of shape (n,), from raw columns."""
        return self._pipeline.predict(X)

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        """What its code makes of raw columns, of shape (n, features)."""
        return cast("pd.DataFrame", self._pipeline[0].transform(X))


class _Isolated:
    """A model in another process, which reads and answers Arrow streams.

    An answer's first column is the prediction, the others are the features.
    """

    def __init__(self, process: Popen[bytes], errors: IO[bytes], name: str) -> None:
        import pyarrow.ipc

        from .data import INPUTS

        self._rows = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)
        self._errors, self._name = errors, name
        if not self._answers.read(1):
            raise self._failure()
        self._stream = pyarrow.ipc.new_stream(self._rows, INPUTS)
        self._answered: Any = None

    def predict(self, X: "pd.DataFrame") -> Any:
        """The target, of shape (n,), from raw columns."""
        return self._ask(X).column(0).to_numpy(zero_copy_only=False)

    def features(self, X: "pd.DataFrame") -> "pd.DataFrame":
        """What its code makes of raw columns, of shape (n, features)."""
        return cast("pd.DataFrame", self._ask(X).to_pandas().iloc[:, 1:])

    def _ask(self, X: "pd.DataFrame") -> "pa.RecordBatch":
        import pyarrow as pa

        from .data import INPUTS

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
