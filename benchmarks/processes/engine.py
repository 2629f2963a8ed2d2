"""A training with an engine, the months cleaned: engine.py ENGINE ROUNDS FOLDER TRAIN... TEST."""

import sys
import threading
import time
from pathlib import Path

import psutil
from taxi_duration.kit.modelling import evaluation, fitting
from taxi_duration.kit.modelling.months import clean_month
from taxi_duration.model import TrainParams


class Peak(threading.Thread):
    """The memory of this process and of those that it started, at its highest, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.megabytes = 0.0

    def run(self) -> None:
        """Look every fifth of a second."""
        me = psutil.Process()
        while True:
            sizes = []
            for process in (me, *me.children(recursive=True)):
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.Error:  # it has just ended
                    continue
            self.megabytes = max(self.megabytes, sum(sizes) / 1e6)
            time.sleep(0.2)


def main(engine: str, rounds: str, folder: str, *sources: str) -> None:
    """Clean, fit and evaluate; print the rows, the seconds of the fit, the peak and the RMSE."""
    peak = Peak()
    peak.start()
    *months, test = [clean_month(Path(source), source, Path(folder)) for source in sources]
    params = TrainParams(max_rounds=int(rounds))
    start = time.perf_counter()
    pipeline = fitting.fit_to_checkpoint(months, params, engine, Path(folder))
    print(f"fit={time.perf_counter() - start:.2f}")
    found = evaluation.evaluate(pipeline, months, test, params)
    print(f"peak={peak.megabytes:.1f}\nrmse={found.metrics['rmse']:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
