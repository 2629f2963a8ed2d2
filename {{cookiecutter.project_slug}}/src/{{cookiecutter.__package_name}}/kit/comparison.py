"""The challenger against the champion, on the same rows."""

import numpy as np

from ..settings import Settings
from . import registry, runs
from .modelling import months
from .modelling.contract import PERIOD, PROBLEM
from .modelling.evaluation import compare, read_predictions
from .records import Evaluation, Verdict


def compare_with_champion(evaluation: Evaluation) -> Verdict:
    """Let the champion predict the test rows, and decide; without one, the baseline is the rival.

    A champion that learnt from the test month is judged too kindly, which the reason says.
    """
    _, actual, predicted, baseline = read_predictions(evaluation.predictions)
    champion, min_gain, test = registry.champion(), Settings().min_gain, evaluation.test
    if not champion:
        return compare(actual, predicted, baseline, PROBLEM.baseline_name, min_gain)
    with registry.load(champion.version) as model:
        rival = model.predict(months.read([test.path])[0])
    name = f"version {champion.version} (champion)"
    if np.shape(rival) != np.shape(predicted):
        problem = f"{name}: predicts another kind of target than PROBLEM in model.py"
        raise ValueError(f"{problem}; promote the new version by hand: uv run poe promote")
    verdict = compare(actual, predicted, rival, name, min_gain)
    if test.digest in runs.learnt_from(champion.run_id):
        note = f"{verdict.reason}; {name} learnt from this {PERIOD}, so its error is too low here"
        return verdict.model_copy(update={"reason": note})
    return verdict
