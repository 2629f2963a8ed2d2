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
            return await self.app(scope, receive, send)
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            if len(body) <= MAX_BODY:
                body += message.get("body", b"")
            more = message.get("more_body", False)
        whole = [{"type": "http.request", "body": bytes(body)}]

        async def again() -> Any:
            return whole.pop() if whole else await receive()

        await self.app(scope, again, send)
