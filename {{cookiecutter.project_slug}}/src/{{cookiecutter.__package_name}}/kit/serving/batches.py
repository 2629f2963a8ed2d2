"""Requests that wait at the same time are predicted together: a table costs more than its rows."""

import asyncio
from collections.abc import Callable
from typing import Any

# The version of the model, and its predictions of shape (n, ...).
Answer = tuple[int, Any]
Waiting = tuple[list[Any], "asyncio.Future[Answer]"]


class Batches:
    """The rows of requests; `predict` is called in the event loop, once for all that wait."""

    def __init__(self, predict: Callable[[list[Any]], Answer]) -> None:
        self._predict = predict
        self._waiting: list[Waiting] = []

    async def predict(self, rows: list[Any]) -> Answer:
        """Return the version and its predictions of a request's rows; raises its own errors."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # After the other requests that the loop has at hand.
            loop.call_soon(self._answer_all)
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((rows, answer))
        return await answer

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not self._answer(waiting):
            for request in waiting:  # one of them has bad rows: the others are not to hear of it
                self._answer([request])

    def _answer(self, waiting: list[Waiting]) -> bool:
        """Answer some requests; False if that failed and is to be tried one by one."""
        try:
            version, predicted = self._predict([row for rows, _ in waiting for row in rows])
        except Exception as error:
            if len(waiting) > 1:
                return False
            _, answer = waiting[0]
            if not answer.done():
                answer.set_exception(error)
            return True
        first = 0
        for rows, answer in waiting:
            if not answer.done():  # done: the client has gone
                answer.set_result((version, predicted[first : first + len(rows)]))
            first += len(rows)
        return True
