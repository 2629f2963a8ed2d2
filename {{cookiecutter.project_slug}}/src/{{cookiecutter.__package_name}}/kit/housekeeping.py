"""The flow `clean`: what nothing needs any more is removed, from time to time."""

from prefect import flow

from .project import PROJECT
from .records import Count


@flow(name=f"{PROJECT}-clean", log_prints=True)
def clean(keep: Count = 5) -> None:
    """Remove what nothing needs any more: checkpoints, and old versions of the model.

    Args:
        keep: How many of the newest versions to keep.
    """
    from . import cleaning

    cleaning.clean(yes=True, keep=keep)
