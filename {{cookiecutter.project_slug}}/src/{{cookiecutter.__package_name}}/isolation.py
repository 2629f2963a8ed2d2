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
for batch in pyarrow.ipc.open_stream(sys.stdin.buffer):
    out.write(pipeline.predict(batch.to_pandas()).astype("float64").tobytes())
    out.flush()
"""


class Model(Protocol):
    """A fitted pipeline, or what stands for one."""

    def predict(self, X: "pd.DataFrame") -> Any:
        """The target, of shape (n,), from raw columns."""


@contextmanager
def load(folder: Path, name: str) -> Iterator[Model]:
    """The model that MLflow logged in `folder`, in a process of its own if its code is not today's.

    Raises ValueError, with the model's name, if that process fails.
    """
    saved, code = folder / "model.skops", folder / "code"
    same, *_ = filecmp.cmpfiles(HERE, code / HERE.name, CODE, shallow=False)
    if len(same) == len(CODE):
        from . import training

        yield training.load(saved)
    else:
        command = [sys.executable, "-P", "-c", PREDICT, str(saved)]  # -P: not today's code either
        environment = os.environ | {"PYTHONPATH": str(code)}
        with (
            tempfile.TemporaryFile() as errors,
            Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, env=environment) as process,
        ):
            yield _Isolated(process, errors, name)


class _Isolated:
    """A model in another process, which reads rows as an Arrow stream and answers in doubles."""

    def __init__(self, process: Popen[bytes], errors: IO[bytes], name: str) -> None:
        import pyarrow.ipc

        from .data import INPUTS

        self._rows = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)
        self._errors, self._name = errors, name
        self._read(1)
        self._stream = pyarrow.ipc.new_stream(self._rows, INPUTS)

    def predict(self, X: "pd.DataFrame") -> Any:
        """The target, of shape (n,), from raw columns."""
        import numpy as np
        import pyarrow as pa

        from .data import INPUTS

        with suppress(BrokenPipeError):
            self._stream.write_batch(pa.RecordBatch.from_pandas(X, INPUTS, preserve_index=False))
            self._rows.flush()
        return np.frombuffer(self._read(8 * len(X)))

    def _read(self, size: int) -> bytes:
        answer = self._answers.read(size)
        if len(answer) < size:
            with suppress(BrokenPipeError):
                self._rows.close()
            self._errors.seek(0)
            *_, reason = self._errors.read().decode(errors="replace").strip().split("\n")
            raise ValueError(
                f"{self._name}: fails with the code that it was logged with ({reason}); "
                "promote one that fits today's data by hand, such as the newest: "
                "uv run poe promote --version N"
            )
        return answer
