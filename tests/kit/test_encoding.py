"""The encoder of categories: what it learns, of which rows, and what it makes of odd ones."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from .. import module

GroupMeans = module("kit.modelling.target_encoding").GroupMeans


def learnt(values: Any, y: Any, **options: Any) -> Any:
    """Fit an encoder of one group, almost without a prior: its means are those of the rows."""
    options = {"prior_rows": 1e-9, "folds": 2} | options
    return GroupMeans(("group",), **options).fit(frame(values), y)


def frame(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"group": values})


def means_of(encoder: Any, values: Any) -> list[float]:
    return [round(float(mean), 5) for mean in encoder.transform(frame(values))[:, 0]]


def test_means_are_learnt_from_the_other_folds() -> None:
    X = pd.DataFrame({"group": [0, 0, 1, 1], "miles": [1.0, 2.0, 4.0, np.nan], "hour": 0.0})
    encoder = GroupMeans(("group",), per="miles", prior_rows=0, folds=2)
    y = [10.0, 20.0, 30.0, 50.0]
    with np.errstate(invalid="ignore"):
        learnt = encoder.fit_transform(X, y)
        known = encoder.transform(X)
    assert encoder.get_feature_names_out() == ["miles", "hour", "group_mean", "group_per"]
    assert learnt[:, 2].tolist() == [20, 10, 50, 30]
    assert known[:, 2].tolist() == [15, 15, 40, 40]
    assert known[0, 3] == 30 / 3
    assert known[2, 3] == 30 / 4


def test_means_are_shrunk_towards_that_of_all() -> None:
    encoder = learnt(["a", "a", "b"], [10.0, 20.0, 60.0], prior_rows=1)
    assert means_of(encoder, ["a", "b"]) == [(30 + 30) / 3, (60 + 30) / 2]


def test_batches_teach_the_same_as_all_at_once() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"group": rng.integers(0, 5, 100), "miles": rng.random(100)})
    y = rng.random(100)
    whole = GroupMeans(("group",), "miles")
    learnt = whole.fit_transform(X, y)
    parts = GroupMeans(("group",), "miles").start()
    parts.add(X[:37], y[:37]).add(X[37:], y[37:], 37)
    assert np.allclose(parts.out_of_fold()(X[37:], 37), learnt[37:])
    assert np.allclose(parts.finish().transform(X), whole.transform(X))


def test_encoders_that_saw_other_categories_are_merged() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"group": rng.choice([*"abcdefgh"], 200), "hour": rng.random(200)})
    X["zone"] = rng.integers(-1, 2**40, 200) // 2**36
    y = rng.random(200)
    groups = ("group", "zone")
    whole = GroupMeans(groups)
    learnt = whole.fit_transform(X, y)
    order = np.argsort(X["group"].to_numpy(), kind="stable")
    X, y, learnt = X.iloc[order], y[order], learnt[order]
    # Of eight parts, each has texts of its own; rows keep their numbers, and so their folds.
    ones = [
        GroupMeans(groups).start().add(X[i : i + 1], y[i : i + 1], n) for i, n in enumerate(order)
    ]
    first, *others = ones
    for other in others:
        first.merge(other)
    encode = first.out_of_fold()
    found = np.concatenate([encode(X[i : i + 1], n) for i, n in enumerate(order)])
    assert np.allclose(found, learnt)
    assert np.allclose(first.finish().transform(X), whole.transform(X))


@pytest.mark.parametrize(
    "kind", ["object", "str", "category", "string"], ids=lambda kind: f"as {kind}"
)
def test_texts_are_categories_whatever_holds_them(kind: Any) -> None:
    column = pd.Series(["b", "a", "b", "ä", "", "1"], dtype="object").astype(kind)
    encoder = learnt(column, [1.0, 2.0, 5.0, 7.0, 11.0, 4.0])
    assert means_of(encoder, column) == [3, 2, 3, 7, 11, 4]
    # One row alone, and one of a category that was never seen.
    assert means_of(encoder, pd.Series(["a"], dtype=kind)) == [2]
    assert means_of(encoder, pd.Series(["c"], dtype=kind)) == [5]


def test_numbers_are_categories_whatever_holds_them() -> None:
    y = [1.0, 3.0, 5.0, 7.0]
    kinds: list[Any] = [
        "int8",
        "uint16",
        "int64",
        "float64",
        "float32",
        "Int64",
        "category",
        "bool",
    ]
    for kind in [*kinds, "object"]:
        column = pd.Series([1, 1, 0, 0]).astype(kind)
        encoder = learnt(column, y)
        assert means_of(encoder, column) == [2, 2, 6, 6], kind
        for other in ("int64", "float64"):
            assert means_of(encoder, pd.Series([0, 1], dtype=other)) == [6, 2], kind
        assert means_of(encoder, pd.Series([0, None], dtype="category")) == [6, 4], kind


def test_what_is_unknown_counts_as_average() -> None:
    encoder = learnt([-1, -1, 5], [1.0, 3.0, 7.0])
    # -1 is a category like any other, not the code of a missing value.
    assert means_of(encoder, [-1, 5]) == [2, 7]
    assert means_of(encoder, [np.nan, 6.0, 1e18]) == pytest.approx([11 / 3] * 3, abs=1e-4)
    # A month whose column is empty, and so of another type.
    assert means_of(encoder, pd.Series([None], dtype="object")) == means_of(encoder, [6])


def test_what_is_missing_is_a_category() -> None:
    for missing in ([5.0, 5.0, np.nan, np.nan], ["a", "a", None, None]):
        encoder = learnt(missing, [1.0, 3.0, 8.0, 8.0])
        assert means_of(encoder, missing) == [2, 2, 8, 8]
    empty = learnt(pd.Series([None] * 4, dtype="object"), [1.0, 3.0, 8.0, 8.0])
    assert means_of(empty, ["a"]) == means_of(empty, [3]) == means_of(empty, [None]) == [5]


def test_large_ids_stay_apart() -> None:
    large = 2**24
    ids = [large, large + 1, 2**53 - 1, 2**62 + 1, 2**62 + 2]
    encoder = learnt(ids, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert means_of(encoder, ids) == [1, 2, 3, 4, 5]
    assert means_of(encoder, [large + 2]) == [3]
    # Floats of 32 bits have joined them already.
    with pytest.raises(ValueError, match=r"^group 'group' is float32.* use integers"):
        learnt(pd.Series([large + 1.0, large + 3.0], dtype="float32"), [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 1.0], r"^group 'group' holds 0\.5; use whole numbers or texts"),
        ([1.0, 0.5], r"^group 'group' holds 0\.5; use whole numbers or texts"),
        ([1.0, np.inf], r"^group 'group' holds inf; use whole numbers or texts"),
    ],
)
def test_what_is_no_category_is_refused(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learnt(values, [1.0, 2.0])


def test_numbers_and_texts_are_not_mixed() -> None:
    encoder = GroupMeans(("group",)).start().add(frame([1, 2]), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"^group 'group' holds numbers and texts"):
        encoder.add(frame(["1", "2"]), [1.0, 2.0])
    other = GroupMeans(("group",)).start().add(frame(["1"]), [1.0])
    with pytest.raises(ValueError, match=r"^group 'group' holds numbers and texts"):
        encoder.merge(other)
    with pytest.raises(ValueError, match=r"^group 'group' holds numbers and texts"):
        learnt(pd.Series([1, "1"], dtype="object"), [1.0, 2.0])


def test_features_that_are_no_numbers_are_named() -> None:
    X = pd.DataFrame({"group": [1, 2], "colour": ["red", "blue"]})
    with pytest.raises(ValueError, match=r"^feature 'colour' is no number.*name it in GROUPS"):
        GroupMeans(("group",)).fit_transform(X, [1.0, 2.0])
    X = pd.DataFrame({"group": [1, 2], "ratio": [1.0, np.inf]})
    with pytest.raises(ValueError, match=r"^feature 'ratio' is infinite in some rows"):
        GroupMeans(("group",)).fit_transform(X, [1.0, 2.0])


def test_each_class_of_more_than_two_has_a_share() -> None:
    X = frame(["a", "a", "a", "b"])
    encoder = learnt(X["group"], [0.0, 1.0, 1.0, 2.0], classes=3)
    assert encoder.get_feature_names_out() == [f"group_share_{i}" for i in range(3)]
    assert np.allclose(encoder.transform(X), [[1 / 3, 2 / 3, 0]] * 3 + [[0, 0, 1]])
    two = learnt(X["group"], [0.0, 1.0, 1.0, 0.0], classes=2)
    assert two.get_feature_names_out() == ["group_mean"]
    assert np.allclose(two.transform(X)[:, 0], [2 / 3] * 3 + [0])
