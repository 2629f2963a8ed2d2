"""Progress bars for what takes long; on a terminal only, so that logs stay clean."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

if TYPE_CHECKING:
    from xgboost.callback import TrainingCallback

T = TypeVar("T")
# disable=None: not shown where the output is no terminal. A bar appears after the delay (seconds).
BAR: dict[str, Any] = {"leave": False, "delay": 2, "disable": None}


def progress(steps: Iterable[T], total: int | None, what: str, unit: str) -> Iterator[T]:
    """Yield the steps, with a bar that counts them and goes away at the end."""
    return iter(tqdm(steps, what, total, unit=unit, **BAR))


def rounds_bar(total: int | None, what: str) -> "TrainingCallback":
    """Make a bar that counts XGBoost's rounds."""
    from xgboost.callback import TrainingCallback

    bar = tqdm(desc=what, total=total, unit="rounds", **BAR)

    class Rounds(TrainingCallback):
        def after_iteration(self, _model: Any, _epoch: int, _evals_log: Any) -> bool:
            bar.update()
            return False  # go on

        def after_training(self, model: Any) -> Any:
            bar.close()
            return model

    return Rounds()
