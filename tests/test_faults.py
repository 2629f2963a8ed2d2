"""Faults, caused for real: what docs/reliability.md promises holds. See also test_kills.py."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import (
    COUNTS,
    DRIVERS,
    MONTHS,
    Console,
    Lab,
    Paused,
    PrefectServer,
    console,
    fault,
    faulty_server,
    free_port,
    mlflow_server,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(
    project: BakedProject, shared_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Lab:
    made = Lab(project, tmp_path_factory.mktemp("faults"), shared_server.url)
    made.make_months(*MONTHS)
    return made


@pytest.fixture(scope="module")
def trained(lab: Lab) -> Iterator[Console]:
    """A console of a project that has a champion."""
    with console(lab) as opened:
        assert opened.train()["error"] is None
        yield opened


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("500", "500, message='Internal Server Error'"),
        ("500-list", "500, message='Internal Server Error'"),
        ("hang", "no answer in time"),
        ("reset", "Connection reset by peer"),
        ("cut", "Not enough data to satisfy content length header"),
    ],
)
def test_a_data_source_that_fails(trained: Console, kind: str, reason: str) -> None:
    lab = trained.lab
    champion, kept = trained.champion(), lab.checkpoints()
    with fault(), faulty_server(lab.months) as (address, asked):
        done = trained.train(data_location=f"{address}/{kind}")
    assert done["error"].startswith(f"error: {address}/{kind}")
    assert "\n" not in done["error"]
    assert reason in done["error"]
    assert "Traceback" not in done["log"]
    waits = [float(wait) for wait in re.findall(r"will start ([\d.]+) second", done["log"])]
    assert waits == sorted(set(waits))
    assert len(waits) == 3
    assert len(asked) >= (0 if kind == "500-list" else 4)
    assert lab.checkpoints() == kept
    assert not lab.half_files()
    assert trained.champion() == champion


def test_a_data_source_that_recovers(trained: Console) -> None:
    with fault(), faulty_server(trained.lab.months, good_after=2) as (address, asked):
        assert trained.train(data_location=f"{address}/cut")["error"] is None
    assert len(asked) == 2 + len(MONTHS)


def test_mlflow_is_away_at_the_start(trained: Console) -> None:
    champion = trained.champion()
    away = f"http://127.0.0.1:{free_port()}"
    with fault():
        done = trained.train(mlflow=away)
    assert done["error"].startswith(f"error: {away}: MLflow cannot be used")
    assert "\n" not in done["error"]
    assert "Traceback" not in done["log"]
    assert trained.champion() == champion


def test_mlflow_goes_away_while_a_model_is_logged(trained: Console, tmp_path: Path) -> None:
    """The MLflow run has its metrics and no model: it never becomes a version."""
    lab, champion, port = trained.lab, trained.champion(), free_port()
    paused = Paused(tmp_path, "logging")
    command = paused.command(lab, "train", "--params.max-rounds", "20")
    env, log = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}, tmp_path / "log"
    with ExitStack() as stack:
        stack.enter_context(fault())
        with mlflow_server(lab, port):
            training = stack.enter_context(lab.process(*command, log=log, env=env))
            paused.reached()
        paused.go_on()
        assert training.wait(180) == 1
    assert f"error: http://127.0.0.1:{port}: MLflow cannot be used" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert trained.champion() == champion
    with mlflow_server(lab, port) as url:
        done = trained.train(rounds=20, mlflow=url)
    assert done["error"] is None
    assert re.search(r"'fit-\w+' - Finished in state Cached", done["log"])
    [version] = re.findall(r"Version (\d+) promoted", done["log"])
    assert trained.champion()["version"] == int(version) == champion["version"] + 2


def test_models_come_only_from_the_store_of_the_settings(trained: Console, tmp_path: Path) -> None:
    """Also where the environment names another registry."""
    other = tmp_path / "other.db"
    before = trained.champion()
    assert trained.ask("champion", MLFLOW_REGISTRY_URI=f"sqlite:///{other}")["champion"] == before
    assert trained.train(rounds=40)["error"] is None
    assert trained.champion()["version"] > before["version"]
    assert not other.exists()


def test_the_disk_is_full(trained: Console, tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mounted)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    try:
        check_a_full_disk(trained, mounted / "state")
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def check_a_full_disk(trained: Console, state: Path) -> None:
    """Train with less and less room, so that each step is the one that finds none."""
    where = {"state_dir": str(state)}
    assert trained.train(**where)["error"] is None
    champion = trained.champion(**where)
    filler = state / "filler"
    for number, kilobytes in enumerate((2_000, 1_000, 500, 250, 100, 20)):
        filler.write_bytes(bytes(shutil.disk_usage(state).free - kilobytes * 1024))
        with fault():
            done = trained.train("--params.seed", str(number), **where)
        filler.unlink()
        print(kilobytes, done["error"])
        assert "\n" not in (done["error"] or "")
        assert "Traceback" not in done["log"]
        assert trained.champion(**where) == champion
    assert done["error"].startswith("error: ")
    assert "No space left on device" in done["error"]
    assert trained.train("--params.seed", "9", **where)["error"] is None


def test_the_fuzz_finds_nothing_but_data_errors(lab: Lab) -> None:
    cases = 500
    command = (lab.python, str(DRIVERS / "fuzz_months.py"), str(cases))
    done = lab.project.run(*command)
    ends = json.loads(done.stdout)
    assert set(ends) == {"cleaned", "refused"}, done.stderr
    assert sum(ends.values()) == cases
    COUNTS["bad inputs tried"] += cases


def test_months_that_come_late_or_twice_or_from_the_future(
    trained: Console, tmp_path: Path
) -> None:
    lab = trained.lab
    month = {name: lab.months / f"trips_{name}.parquet" for name in MONTHS}
    where = {"data_location": str(tmp_path / "months"), "state_dir": str(tmp_path / "state")}
    (tmp_path / "months").mkdir()
    shutil.copy(month["2024-01"], tmp_path / "months")
    shutil.copy(month["2024-03"], tmp_path / "months")
    assert trained.train(**where)["error"] is None
    shutil.copy(month["2024-02"], tmp_path / "months")
    late = trained.train(**where)
    assert late["error"] is None
    states = re.findall(r"'clean trips_(\S+).parquet' - Finished in state (\w+)", late["log"])
    assert dict(states) == dict(zip(MONTHS, ("Cached", "Completed", "Cached"), strict=True))

    Lab(lab.project, tmp_path, lab.api).make_months("2099-01")
    made = (tmp_path / "months/trips_2099-01.parquet").rename(tmp_path / "made.parquet")
    champion = trained.champion(**where)
    for raw, name, reason in (
        (month["2024-02"], "2024-02_again", "holds 2024-02, as "),
        (month["2024-02"], "2099-01", "is of 2099-01, which has not begun"),
        (made, "2024-04", "is of 2099-01, which has not begun"),
    ):
        bad = tmp_path / f"months/trips_{name}.parquet"
        shutil.copy(raw, bad)
        with fault():
            done = trained.train(**where)
        bad.unlink()
        assert done["error"].startswith("error: ")
        assert reason in done["error"]
        assert trained.champion(**where) == champion


# The time of day goes 600 days forward, and back again, every two seconds.
JUMPING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += (now->tv_sec / 2 % 2 ? 1 : -1) * 300 * 86400L;
    return result;
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no C compiler to make a clock with")
def test_the_clock_jumps(trained: Console, tmp_path: Path) -> None:
    lab, champion = trained.lab, trained.champion()
    (tmp_path / "clock.c").write_text(JUMPING)
    library = str(tmp_path / "clock.so")
    build = ["gcc", "-shared", "-fPIC", "-o", library, str(tmp_path / "clock.c"), "-ldl"]
    subprocess.run(build, check=True)
    command = lab.command("train", "--params.max-rounds", "40")
    log = tmp_path / "log"
    with fault(), lab.process(*command, log=log, env={"LD_PRELOAD": library}) as training:
        assert training.wait(240) == 0, log.read_text()
    assert re.search(r"Version \d+ (not )?promoted: ", log.read_text())
    assert trained.champion()["version"] >= champion["version"]
