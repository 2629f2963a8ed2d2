"""The kinds of targets: their losses and metrics against scikit-learn's, and their columns."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from .. import module

problems = module("kit.modelling.problems")
Classification = module("kit.modelling.classification").Classification

CLOSE = 1e-9
TWO = Classification(classes=("on time", "late"))
THREE = Classification(classes=("bus", "train", "bike"))


def drawn(classes: int, rows: int = 500) -> tuple[Any, Any]:
    """Draw classes, and probabilities that know something of them."""
    rng = np.random.default_rng(classes)
    y = rng.choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    odds = rng.gamma(1, size=(rows, classes)) + 2 * np.eye(classes)[y] * rng.random((rows, 1))
    return y.astype(float), odds / odds.sum(axis=1, keepdims=True)


def test_texts_are_no_numbers() -> None:
    with pytest.raises(ValueError, match=r"PROBLEM is a Regression, and 'returned' is no number"):
        problems.Regression().encode(pd.Series(["no", "yes"], name="returned"))


def test_a_regressions_metrics_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y, noise = rng.normal(5, 2, (2, 300))
    predicted, problem = y + noise, problems.Regression(unit="minutes")
    found = problem.metrics(y, predicted)
    expected = {
        "rmse": sklearn_metrics.root_mean_squared_error(y, predicted),
        "mae": sklearn_metrics.mean_absolute_error(y, predicted),
        "r2": sklearn_metrics.r2_score(y, predicted),
    }
    assert found == pytest.approx(expected, abs=CLOSE)
    assert problem.error(problem.losses(y, predicted).mean()) == pytest.approx(found["rmse"])
    assert [*found] == [*problem.labels]
    assert problem.main == "rmse"
    assert problem.baseline([np.array([1.0, 2.0, 4.0]), np.array([5.0])], 3).tolist() == [3, 3, 3]
    assert problem.columns(predicted) == {"prediction": pytest.approx(predicted)}


def test_a_regressions_target_is_a_finite_number() -> None:
    target, unknown = problems.Regression().encode(pd.Series([1, None, np.inf, -np.inf, -0.5]))
    assert unknown.tolist() == [False, True, True, True, False]
    assert target[~unknown].tolist() == [1, -0.5]


def test_two_classes_have_scikit_learns_metrics() -> None:
    y, predicted = drawn(2)
    second = predicted[:, 1]
    expected = {
        "log_loss": sklearn_metrics.log_loss(y, predicted),
        "roc_auc": sklearn_metrics.roc_auc_score(y, second),
        "average_precision": sklearn_metrics.average_precision_score(y, second),
        "brier": sklearn_metrics.brier_score_loss(y, second),
    }
    found = TWO.metrics(y, predicted)
    assert found == pytest.approx(expected, abs=CLOSE)
    assert [*found] == [*TWO.labels]
    assert TWO.main == "log_loss"


def test_three_classes_have_scikit_learns_metrics() -> None:
    y, predicted = drawn(3)
    each = np.eye(3)[y.astype(int)]
    expected = {
        "log_loss": sklearn_metrics.log_loss(y, predicted),
        "roc_auc": sklearn_metrics.roc_auc_score(y, predicted, multi_class="ovr"),
        "average_precision": sklearn_metrics.average_precision_score(each, predicted),
        "brier": sklearn_metrics.brier_score_loss(y, predicted, labels=[0, 1, 2]),
    }
    assert THREE.metrics(y, predicted) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("problem", [TWO, THREE], ids=["two", "three"])
def test_the_loss_of_a_row_is_its_log_loss(problem: Any) -> None:
    labels = range(len(problem.classes))
    y, predicted = drawn(len(problem.classes))
    losses = problem.losses(y, predicted)
    rows = zip(y[:50], predicted[:50], strict=True)
    expected = [sklearn_metrics.log_loss([a], [p], labels=[*labels]) for a, p in rows]
    assert losses[:50] == pytest.approx(expected, abs=CLOSE)
    assert losses.shape == y.shape
    assert problem.error(losses.mean()) == pytest.approx(problem.metrics(y, predicted)["log_loss"])


def test_a_wrong_certainty_costs_much_but_not_all() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([1.0, 1.0])
    losses = TWO.losses(y, certain)
    assert np.isfinite(losses).all()
    assert losses[0] > 30
    assert losses.mean() == pytest.approx(sklearn_metrics.log_loss(y, certain, labels=[0, 1]))


def test_a_class_that_is_not_there_leaves_what_can_be_said() -> None:
    y, predicted = drawn(3)
    two = y < 2
    found = THREE.metrics(y[two], predicted[two])
    parts = [sklearn_metrics.roc_auc_score(y[two] == i, predicted[two][:, i]) for i in range(2)]
    assert found["roc_auc"] == pytest.approx(np.mean(parts), abs=CLOSE)
    one = TWO.metrics(np.ones(3), np.full((3, 2), 0.5))
    assert one.keys() == {"log_loss", "brier"}
    assert THREE.metrics(np.ones(3), np.full((3, 3), 1 / 3)).keys() == {"log_loss", "brier"}


@pytest.mark.parametrize(
    ("classes", "target"),
    [
        (("on time", "late"), ["late", "on time", "cancelled", None]),
        ((0, 1), [1, 0, 7, None]),
        ((False, True), [True, False, None, None]),
        (("1", "2"), ["2", "1", "3", None]),
    ],
    ids=["texts", "numbers", "yes or no", "digits"],
)
def test_classes_are_encoded_and_others_are_unknown(classes: Any, target: Any) -> None:
    problem = Classification(classes=classes)
    encoded, unknown = problem.encode(pd.Series(target, index=[7, 8, 9, 10]))
    assert unknown.tolist() == [False, False, True, True]
    assert unknown.index.tolist() == [7, 8, 9, 10]
    assert encoded[~unknown].tolist() == [1, 0]
    assert problem.unknown == "none of the classes"


def test_predictions_are_classes_and_probabilities() -> None:
    columns = THREE.columns(np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]]))
    assert columns["prediction"].tolist() == ["train", "bus"]
    assert [*columns] == ["prediction", *(f"probability_{name}" for name in THREE.classes)]
    assert columns["probability_bike"].tolist() == [0.3, 0.3]
    predicted = np.array([[0.8, 0.2], [0.5, 0.5]])
    assert TWO.columns(predicted)["prediction"].tolist() == ["on time", "late"]
    careful = Classification(classes=TWO.classes, threshold=0.15)
    assert careful.columns(predicted)["prediction"].tolist() == ["late", "late"]
    assert TWO.columns(np.zeros((0, 2)))["prediction"].tolist() == []


def test_the_baseline_says_the_shares() -> None:
    shares = THREE.baseline([np.array([1.0, 0.0]), np.array([1.0, 2.0])], 2)
    assert shares.tolist() == [[0.25, 0.5, 0.25]] * 2


def test_classes_are_a_sequence_of_any_kind_with_a_name_or_without() -> None:
    expected = Classification(classes=("on time", "late"))
    assert Classification(["on time", "late"]) == expected
    assert Classification(np.array(["on time", "late"]), threshold=0.5) == expected
