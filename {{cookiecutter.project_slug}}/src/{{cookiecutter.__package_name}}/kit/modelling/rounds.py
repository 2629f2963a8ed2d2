"""How many rounds XGBoost is trained for: as many as the newest rows ask for."""

from typing import Any

from .contract import TrainParams, make_estimator
from .devices import place

VALIDATION_SHARE = 0.15
SEARCH_SPEED = 2
STOP_AFTER = 10


def search_estimator(params: TrainParams, device: str) -> Any:
    """Make what looks for the number of rounds.

    Twice the learning rate needs about half of the rounds: the search costs half as much.
    """
    estimator = make_estimator(params)
    place(estimator, device)
    rate = estimator.get_params()["learning_rate"] or 0.3  # XGBoost's default
    return estimator.set_params(
        n_estimators=max(1, estimator.n_estimators // SEARCH_SPEED),
        learning_rate=min(1, rate * SEARCH_SPEED),
        early_stopping_rounds=STOP_AFTER,
    )


def rounds_for_all(best_iteration: int, most: int) -> int:
    """Return the rounds for all rows, a tenth more than for the older 85% of them."""
    return min(most, round((best_iteration + 1) * SEARCH_SPEED * 1.1))
