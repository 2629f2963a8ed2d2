"""The flows by name: `<package>.flows.train` is the address of `train`."""

from .monitoring import monitor, retrain
from .promotion import promote
from .scoring import score
from .training import train
from .tuning import tune

__all__ = ["monitor", "promote", "retrain", "score", "train", "tune"]
