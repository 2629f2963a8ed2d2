"""A training with an engine, the months cleaned: engine.py ENGINE ROUNDS FOLDER TRAIN... TEST."""

import sys
import threading
import time
from pathlib import Path

import psutil
from taxi_duration import data, training
from taxi_duration.evaluation import evaluate_pipeline


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
    *months, test = [data.clean_month(Path(source), source, Path(folder)) for source in sources]
    paths = [month.path for month in months]
    params = training.TrainParams(max_rounds=int(rounds))
    start = time.perf_counter()
    pipeline = training.fit(paths, params, engine, Path(folder))
    print(f"fit={time.perf_counter() - start:.2f}")
    predictions = Path(folder) / f"{engine}.parquet"
    evaluation = evaluate_pipeline(pipeline, paths, test.path, predictions)
    print(f"peak={peak.megabytes:.1f}\nrmse={evaluation.metrics.rmse:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
