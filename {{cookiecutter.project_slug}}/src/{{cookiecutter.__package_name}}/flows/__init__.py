"""The flows by name: `<package>.flows.train` is the address of `train`."""

from ..kit.housekeeping import clean
from .monitoring import monitor, retrain
from .promotion import promote
from .scoring import score
from .training import train
from .tuning import tune

__all__ = ["clean", "monitor", "promote", "retrain", "score", "train", "tune"]
