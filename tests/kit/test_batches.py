"""Requests that are predicted together: each gets its own answer, or its own error."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from .. import module

batches = module("kit.serving.batches")
registry = module("kit.registry")
serving = module("kit.serving.command")


async def ask(found: Any, *requests: list[int], gone: int | None = None) -> list[Any]:
    """Return what requests that come at the same time are answered; one's client goes away."""
    tasks = [asyncio.ensure_future(found.predict(rows)) for rows in requests]
    await asyncio.sleep(0)  # they wait
    if gone is not None:
        tasks[gone].cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


class Model:
    """It predicts the tenfold of a row, and none below 0."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def predict(self, rows: list[int]) -> tuple[int, Any]:
        self.asked.append(rows)
        if min(rows) < 0:
            raise ValueError(f"bad: {min(rows)}")
        return 3, 10.0 * np.array(rows)


@pytest.fixture
def model() -> Model:
    return Model()


def test_what_waits_is_predicted_at_once(model: Model) -> None:
    answers = asyncio.run(ask(batches.Batches(model.predict), [1], [2, 3], [4]))
    assert model.asked == [[1, 2, 3, 4]]
    assert [(version, found.tolist()) for version, found in answers] == [
        (3, [10]),
        (3, [20, 30]),
        (3, [40]),
    ]


def test_bad_rows_are_refused_to_the_one_who_sent_them(model: Model) -> None:
    one, two, three, four = asyncio.run(
        ask(batches.Batches(model.predict), [1], [-2, 3], [4], [-5])
    )
    assert [found.tolist() for _, found in (one, three)] == [[10], [40]]
    assert [str(two), str(four)] == ["bad: -2", "bad: -5"]
    assert isinstance(two, ValueError)


def test_a_client_that_goes_away_harms_nobody(model: Model) -> None:
    one, two, three = asyncio.run(ask(batches.Batches(model.predict), [1], [2], [3], gone=1))
    assert isinstance(two, asyncio.CancelledError)
    assert [found.tolist() for _, found in (one, three)] == [[10], [30]]


def test_what_comes_later_is_answered_later(model: Model) -> None:
    async def one_after_the_other() -> None:
        found = batches.Batches(model.predict)
        await found.predict([1])
        await found.predict([2])

    asyncio.run(one_after_the_other())
    assert model.asked == [[1], [2]]


def test_a_port_in_use_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "the_champion", lambda: SimpleNamespace(version=1))
    message = r"^serve: port \d+ of 127.0.0.1: .*; choose another one with --port$"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ValueError, match=message),
    ):
        serving.serve(port=taken.getsockname()[1])
    assert not capsys.readouterr().out
