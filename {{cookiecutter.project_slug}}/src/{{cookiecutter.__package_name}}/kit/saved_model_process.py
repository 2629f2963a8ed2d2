"""Run a saved pipeline by the code next to it: Arrow streams of rows in, of answers out.

Usage: python -P saved_model_process.py PACKAGE MODEL, with the folder of that code as PYTHONPATH.
It imports nothing of this package but what that code loads the pipeline with.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa


def loader(package: str) -> tuple[Any, Any]:
    """Return the code's own functions that load a pipeline, and predict with it."""
    try:
        modelling = import_module(f"{package}.kit.modelling.pipeline")
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(f"{package}.kit"):
            raise
        # A project of before the kit, which knew one kind of prediction.
        return import_module(f"{package}.training").load, lambda pipeline, X: pipeline.predict(X)
    return modelling.load, modelling.PROBLEM.predict


def answers(pipeline: Any, predict: Any, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return predictions and then features; numbers as float64, so that all have one schema."""
    raw = rows.to_pandas()
    predicted = pd.DataFrame(predict(pipeline, raw)).astype("float64").add_prefix(" prediction ")
    features = pipeline[0].transform(raw).reset_index(drop=True)
    numbers = features.select_dtypes("number").astype("float64")
    table = pd.concat([predicted, features.assign(**numbers)], axis=1)
    return pa.RecordBatch.from_pandas(table, preserve_index=False)


def main(package: str, path: str) -> None:
    """Answer until the rows end; the first byte says how many columns are predictions."""
    load, predict = loader(package)
    pipeline = load(Path(path))
    # What anything prints must not get into the answers.
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    out.write(bytes([max(1, len(getattr(pipeline[-1], "classes_", ())))]))
    out.flush()
    stream = None
    for batch in pa.ipc.open_stream(sys.stdin.buffer):
        answer = answers(pipeline, predict, batch)
        stream = stream or pa.ipc.new_stream(out, answer.schema)
        stream.write_batch(answer)
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
