"""Two writes that belong together: when the second fails, the first is taken back.

Watch: the first flow run writes predictions and their mean in one transaction. In the second the
mean cannot be made, so the new predictions go and those of the first are put back.

Run:   uv run poe example transactional
Takes: about 7 seconds.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import State, flow, task
from prefect.states import Completed, Failed
from prefect.transactions import Transaction, get_transaction, transaction


def may_recover(_task: object, _run: object, state: State[object]) -> bool:
    """Whether to try again: a disk may recover, missing predictions will not."""
    return isinstance(state.data, OSError)


@task
def write_predictions(path: Path, minutes: list[float]) -> None:
    """Replace the predictions, and remember those before."""
    if step := get_transaction():
        step.set("undo", (path, path.read_text() if path.exists() else None))
    path.write_text("\n".join(map(str, minutes)))


@write_predictions.on_rollback
def put_back(step: Transaction) -> None:
    """Undo the write, since a later step of the transaction failed."""
    path, before = step.get("undo")
    path.unlink() if before is None else path.write_text(before)


@task(retries=2, retry_delay_seconds=1, retry_condition_fn=may_recover)
def write_mean(path: Path, minutes: list[float]) -> None:
    """Replace the mean. Raises ZeroDivisionError if there are no predictions."""
    path.write_text(str(sum(minutes) / len(minutes)))


@flow
def transactional(folder: Path, minutes: list[float]) -> State[None]:
    """Write the predictions and their mean: both or neither."""
    try:
        with transaction():
            write_predictions(folder / "predictions.txt", minutes)
            write_mean(folder / "mean.txt", minutes)
    except ZeroDivisionError:
        return Failed(message="no predictions, so no mean: both files are as before")
    return Completed(message="both are written")


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        for minutes in ([12.5, 7.5], []):
            transactional(Path(name), minutes, return_state=True)
            print("The files:", [path.read_text() for path in sorted(Path(name).iterdir())])
