"""Bodies of requests, read to their end before anything is answered."""

from typing import Any

# Bytes of a request: some 30,000 rows of JSON.
MAX_BODY = 5_000_000


class WholeBodies:
    """ASGI middleware that hands on the requests whose bodies have come, whole or past MAX_BODY.

    Whoever ends in the middle of one is gone, or was refused by uvicorn: an answer would end in a
    traceback. What is past MAX_BODY is read too, or the client would not hear the answer.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or none."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif body := await _whole(receive):
            waiting = [body]

            async def again() -> Any:
                return waiting.pop() if waiting else await receive()

            await self.app(scope, again, send)


async def _whole(receive: Any) -> dict[str, Any] | None:
    """Return the message with all of a body, or None if it did not come to its end."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) <= MAX_BODY:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return {"type": "http.request", "body": bytes(body)}
