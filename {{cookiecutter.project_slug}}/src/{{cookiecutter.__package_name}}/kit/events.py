"""Events: what happened to the model, for the triggers and the messages of the Prefect server."""

from typing import Any

from prefect.events import emit_event

from .project import PROJECT

MODEL = {"prefect.resource.id": f"prefect-ml.model.{PROJECT}", "prefect.resource.name": PROJECT}


def announce(what: str, message: str, **payload: Any) -> None:
    """Emit an event: "drift", "promotion" or "refusal", with the sentence that people get."""
    emit_event(f"{PROJECT}.{what}", MODEL, payload=payload | {"message": message})
