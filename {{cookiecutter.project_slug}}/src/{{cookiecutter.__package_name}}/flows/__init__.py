"""The flows by name: prefect.yaml and the commands find them here."""

from ..kit.housekeeping import clean
from .monitoring import monitor, retrain
from .promotion import promote
from .scoring import score
from .training import train
from .tuning import tune

__all__ = ["clean", "monitor", "promote", "retrain", "score", "train", "tune"]
