"""The engines on real processes: out of core as a flow, and a cluster that loses a worker."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from .conftest import BakedProject
from .lab import MONTHS, Lab, PrefectServer

pytestmark = pytest.mark.slow

ROUNDS = 30
FIT = '''
import json, os, signal, sys
from pathlib import Path
from xgboost import collective
from xgboost.callback import TrainingCallback

class Kill(TrainingCallback):
    """Kill the first of the workers in the third round."""

    def after_iteration(self, model, epoch, evals_log):
        if epoch == 2 and collective.get_rank() == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

def main(folder, engine, rounds, kill=""):
    from {package}.kit.modelling import fitting, months
    from {package}.kit.modelling.engines import dask_cluster, streaming
    from {package}.model import PROBLEM, TrainParams
    folder = Path(folder)
    sources = sorted((folder / "months").glob("*.parquet"))
    *train, test = [months.clean_month(path, path.name, folder).path for path in sources]
    if engine == "dask":
        start = dask_cluster._train
        def tell(client, *rest):
            workers = client.run(os.getpid)
            (folder / "workers.json").write_text(json.dumps([*workers.values()]))
            return start(client, *rest)
        dask_cluster._train = tell
    if kill:
        options = streaming.training_options
        streaming.training_options = lambda it: options(it) | {{"callbacks": [Kill()]}}
    pipeline = fitting.fit(train, TrainParams(max_rounds=int(rounds)), engine, folder)
    X, y = months.read([test])
    print("rmse", PROBLEM.metrics(y.to_numpy(), PROBLEM.predict(pipeline, X))["rmse"])

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ConnectionError as error:
        sys.exit(f"error: {{error}}")
'''


@pytest.fixture(scope="module")
def lab(
    bake: Callable[..., BakedProject],
    shared_server: PrefectServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lab:
    """A project with dask, and three small months."""
    project = bake()
    project.run("uv", "sync", "--quiet", "--group", "dask")
    lab = Lab(project, tmp_path_factory.mktemp("engines"), shared_server.url)
    lab.make_months(*MONTHS)
    (lab.folder / "fit.py").write_text(FIT.format(package=project.package))
    return lab


def fit(lab: Lab, engine: str) -> float:
    """Return the RMSE of a pipeline that an engine fitted."""
    words = (str(lab.folder / "fit.py"), str(lab.folder), engine, str(ROUNDS))
    done = lab.project.run(lab.python, *words)
    return float(re.findall(r"rmse ([\d.]+)", done.stdout)[0])


def test_two_workers_are_as_good_as_memory(lab: Lab) -> None:
    memory = fit(lab, "memory")
    assert fit(lab, "dask") == pytest.approx(memory, rel=0.01)
    workers = json.loads((lab.folder / "workers.json").read_text())
    assert len(set(workers)) == 2


def test_a_killed_worker_ends_the_fit_in_one_line(lab: Lab) -> None:
    command = (lab.python, str(lab.folder / "fit.py"), str(lab.folder), "dask", "30", "kill")
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=lab.project.path, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert "error: engine 'dask': lost 1 of 2 workers" in done.stderr.strip().splitlines()[-1]


def test_a_flow_trains_out_of_core_and_scores_with_the_same_code(lab: Lab) -> None:
    env = lab.environment()
    for words in (("train", "--engine", "external", "--params.max-rounds", "20"), ("score",)):
        done = lab.project.run(*lab.command(*words), **env)
        told = done.stdout + done.stderr
        assert ("Version 1 promoted" if words[0] == "train" else "with version 1") in told
    assert not (lab.state / "checkpoints" / "pages").exists()
