"""Which of two models is better: what is asked for, and how often chance is taken for it."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from .. import PACKAGE, module

evaluation = module("kit.modelling.evaluation")
Classification = module("kit.modelling.classification").Classification
Regression = module("kit.modelling.problems").Regression

# Pairs of models that are compared on so many rows of a test month.
PAIRS = {**dict.fromkeys([*range(1, 11), 30, 100], 900), 1000: 300}
# So few pairs show more than this share by chance once in four thousand times.
LARGEST = {900: 0.045, 300: 0.06}


class Once:
    """A generator of random numbers that keeps what it has drawn, for the next with its seed."""

    kept: ClassVar[dict[Any, Any]] = {}

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.drawn = np.random.Generator(np.random.PCG64(seed))

    def __getattr__(self, name: str) -> Any:
        def draw(*arguments: Any) -> Any:
            key = self.seed, name, repr(arguments)
            if key not in self.kept:
                self.kept[key] = getattr(self.drawn, name)(*arguments)
            return self.kept[key]

        return draw


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare in a tenth of the time: each comparison of so many rows draws the same numbers."""
    y, challenger, rival = np.random.default_rng(0).normal(size=(3, 50))
    before = compare(y, challenger, rival)
    monkeypatch.setattr(evaluation.np.random, "default_rng", Once)
    assert compare(y, challenger, rival) == before
    yield
    Once.kept.clear()


def compare(y: Any, challenger: Any, rival: Any, min_gain: float = 0) -> Any:
    return evaluation.compare(y, challenger, rival, "version 1 (champion)", min_gain)


@pytest.mark.parametrize(
    ("noise", "promoted", "why"),
    [
        (0.5, True, "beyond noise"),
        (0.999, False, "less than the gain of 0.5% that is asked for"),
        (1.5, False, "above version 1"),
    ],
)
def test_promotion_asks_for_a_gain_beyond_noise(noise: float, promoted: bool, why: str) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=5000)
    error = rng.normal(size=5000)
    verdict = compare(y, y + noise * error, y + error, 0.005)
    assert verdict.promoted is promoted
    assert why in verdict.reason
    assert verdict.rival == "version 1 (champion)"
    assert verdict.rival_metrics["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))


def test_a_gain_of_as_much_as_is_asked_for_is_enough() -> None:
    y = np.zeros(500)
    assert compare(y, y + 0.5, y + 1, 0.5).promoted
    assert not compare(y, y + 0.5, y + 1, 0.51).promoted


def test_settings_say_which_gain_is_asked_for(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gain, promoted in ((0.005, True), (0.99, False)):
        monkeypatch.setenv(f"{PACKAGE.upper()}_MIN_GAIN", str(gain))
        verdict = module("kit.comparison").compare_with_champion(trained)
        assert verdict.promoted is promoted
        assert promoted or verdict.reason.endswith("less than the gain of 99.0% that is asked for")


def test_one_row_that_is_far_off_may_be_the_first_of_more() -> None:
    y, challenger, rival = np.zeros(100), np.ones(100), np.full(100, np.sqrt(2))
    assert compare(y, challenger, rival).promoted
    challenger[0] = 6  # better by 18% still, but not with three such rows
    verdict = compare(y, challenger, rival)
    assert not verdict.promoted
    assert "17.8% below version 1 (champion) (95% CI -" in verdict.reason


def test_no_gain_makes_up_for_a_limit_that_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.zeros(500)
    for limit, promoted in ((0.5, True), (0.4, False)):
        monkeypatch.setattr(evaluation, "PROBLEM", Regression(max_rmse=limit))
        verdict = compare(y, y + 0.5, y + 1)
        assert verdict.promoted is promoted
        assert promoted or verdict.reason.endswith("above max_rmse 0.4")


def test_what_is_no_number_is_no_gain() -> None:
    y = np.linspace(1, 60, 500)
    broken = np.where(np.arange(500) == 7, np.nan, y)
    for challenger, rival in ((broken, y + 1), (y, y)):
        assert not compare(y, challenger, rival, 0.005).promoted


def test_a_gain_on_few_rows_may_be_noise() -> None:
    y, challenger, rival = np.random.default_rng(1).normal(size=(3, 60))
    verdict = compare(y, y + challenger, y + 1.05 * rival)
    assert "below version 1" in verdict.reason
    assert verdict.reason.endswith("which may be noise")
    assert not verdict.promoted


def test_the_reason_says_what_was_measured() -> None:
    rng = np.random.default_rng(2)
    y, error = rng.normal(size=(2, 1000))
    same = compare(y, y + error, y + error, 0.005)
    assert "minutes, the same as version 1 (champion), less than the gain of 0.5%" in same.reason
    better = compare(y, y + 0.5 * error, y + error, 0.005)
    assert better.reason.startswith(f"test RMSE {np.sqrt(np.mean(error**2)) / 2:.4g} minutes, ")
    assert "50.0% below version 1 (champion) (95% CI 50.0 to 50.0%), beyond noise" in better.reason


def equal_pairs(rows: int) -> Iterator[tuple[Any, ...]]:
    """Draw targets, and the predictions of two models that are equally good."""
    rng = np.random.Generator(np.random.PCG64([rows, 3]))
    for _ in range(PAIRS[rows] // 3):
        y, shared = rng.normal(10, 5, rows), rng.normal(size=rows)
        yield y, y + rng.normal(size=rows), y + rng.normal(size=rows)
        yield y, *(y + shared + 0.3 * rng.normal(size=rows) for _ in range(2))
        yield y, *(y + rng.standard_t(2, size=rows) for _ in range(2))


@pytest.mark.usefixtures("drawn_once")
def test_equal_models_are_seldom_promoted() -> None:
    promoted = {n: sum(compare(*pair).promoted for pair in equal_pairs(n)) for n in PAIRS}
    assert sum(promoted.values()) <= 0.03 * sum(PAIRS.values())
    for rows, pairs in PAIRS.items():
        assert promoted[rows] <= LARGEST[pairs] * pairs, f"on {rows} rows"


@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize(("rows", "share"), [(10, 0.7), (30, 0.95), (100, 1), (1000, 1)])
def test_better_models_are_promoted(rows: int, share: float) -> None:
    rng = np.random.Generator(np.random.PCG64(rows))
    promoted = 0
    for _ in range(50):
        y, own, theirs = rng.normal(size=(3, rows))
        promoted += compare(y, y + 0.3 * own, y + theirs, 0.005).promoted
    assert promoted >= share * 50


@pytest.mark.usefixtures("drawn_once")
def test_a_small_gain_is_seen_on_many_rows() -> None:
    y, shared, *own = np.random.Generator(np.random.PCG64(0)).normal(size=(4, 5000))
    challenger, rival = (y + shared + noise for noise in (0.3 * own[0], 0.5 * own[1]))
    assert compare(y, challenger, rival, 0.005).promoted


def test_classes_are_compared_by_their_log_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PROBLEM", Classification(classes=("on time", "late")))
    rng = np.random.default_rng(0)
    second = np.clip(rng.beta(1, 1, 600), 0.01, 0.99)
    y = (rng.random(600) < second).astype(float)
    sharp, blunt = (np.column_stack([1 - p, p]) for p in (second, 0.5 + 0.3 * (second - 0.5)))
    verdict = compare(y, sharp, blunt, 0.005)
    assert verdict.promoted
    assert verdict.reason.startswith("test Log loss 0.")
    assert {"log_loss", "roc_auc"} <= verdict.rival_metrics.keys()
    assert not compare(y, blunt, sharp, 0.005).promoted


@pytest.mark.usefixtures("drawn_once")
def test_models_of_shuffled_labels_do_not_beat_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that learnt nothing are equal; one that knows the chances wins, from 1,000 rows on."""
    monkeypatch.setattr(evaluation, "PROBLEM", Classification(classes=("on time", "late")))
    rng = np.random.Generator(np.random.PCG64(7))
    beaten = won = 0
    for _ in range(200):
        chances = rng.beta(1, 3, 1000)
        y = (rng.random(1000) < chances).astype(float)
        # What a model says that was fitted to labels in another order: the share, and noise.
        first, second = np.clip(0.25 + rng.normal(0, 0.05, (2, 1000)), 0.01, 0.99)
        champion, other, knowing = (
            np.column_stack([1 - p, p]) for p in (first, second, np.clip(chances, 0.01, 0.99))
        )
        beaten += compare(y, other, champion).promoted
        won += compare(y, knowing, champion, 0.005).promoted
    assert beaten <= 0.05 * 200
    assert won >= 0.9 * 200
