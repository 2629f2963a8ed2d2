"""What piles up is removed; what a champion, the audit trail or the newest versions need stays."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from .. import module

cleaning = module("kit.cleaning")
kit_months = module("kit.modelling.months")
promotions = module("kit.promotions")
registry = module("kit.registry")
runs = module("kit.runs")
tracking = module("kit.tracking")

FLOW_RUN = {"prefect.flow_run_id": "0123"}


def disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def versions() -> list[int]:
    return [int(version.version) for version in registry.versions()]


@pytest.fixture
def piled(store: Path, trained: Any) -> Path:
    """Twelve versions; of the oldest four, 2 is the champion after 1 was, and 4 once was."""
    for number in range(4, 13):
        run_id = tracking.log_training(trained, FLOW_RUN)
        assert registry.register(run_id) == number
    for number in (1, 4, 2):
        promotions.promote(number, "why not", by="ada")
    registry.set_verdict(12, "no better", trained.test.digest)
    # A training that was cut off, just now: its version may be on its way.
    tracking.log_training(trained, FLOW_RUN)
    # And checkpoints: those of the trainings, another month's, and leftovers.
    folder = store / "checkpoints"
    shutil.copytree(trained.pipeline.parent, folder)
    (folder / "trips_2019-01-0123456789abcdef.parquet").write_bytes(bytes(1_000_000))
    for name in (".writing-new", ".writing-old", "raw", "pages"):
        (folder / name).mkdir()
        (folder / name / "part").write_bytes(bytes(1_000_000))
    before = time.time() - 2 * cleaning.DAY
    for name in (".writing-old", "raw/part"):
        os.utime(folder / name, (before, before))
    return store


def test_only_what_is_needed_stays(
    piled: Path, trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    everything, trail = disk(piled), promotions.promotions()
    cleaning.clean(keep=3)
    told = capsys.readouterr().out.splitlines()
    assert disk(piled) == pytest.approx(everything, rel=0.01), "it only says what it would do"
    assert versions() == [*range(12, 0, -1)]
    counts = [line.split()[0] for line in told[:-1]]
    assert counts == ["6", "0", "3", "3"], told
    assert told[-1] == "Nothing is removed yet; to remove it: uv run poe clean --yes"

    module("kit.housekeeping").clean.fn(keep=3)
    assert versions() == [12, 11, 10, 4, 2, 1]
    assert promotions.promotions() == trail
    assert registry.the_champion().version == 2
    X = kit_months.read([trained.test.path])[0][:5]
    for version in versions():
        with registry.load(version) as model:
            assert len(model.predict(X)) == 5
    freed = sum(float(line.split()[-2]) for line in told[:-1]) * 1e6
    assert everything - disk(piled) == pytest.approx(freed, rel=0.15)
    left = {path.name for path in (piled / "checkpoints").iterdir()}
    assert {".writing-new", *(month.path.name for month in [*trained.months, trained.test])} < left
    assert not {".writing-old", "pages", trained.pipeline.name} & left

    # Then there is nothing more to do.
    capsys.readouterr()
    cleaning.clean(yes=True, keep=3)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]] == ["0"] * 4


@pytest.mark.usefixtures("store")
def test_a_training_that_was_cut_off_is_removed_after_a_day(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = tracking.log_training(trained, FLOW_RUN)
    tomorrow = time.time() + 2 * cleaning.DAY
    monkeypatch.setattr(cleaning.time, "time", lambda: tomorrow)
    cleaning.clean(yes=True)
    assert versions() == [3, 2, 1]
    run = runs.find_run(lost)
    assert run.info.lifecycle_stage == "deleted"
    assert tracking.connect().list_artifacts(lost) == []


def test_nothing_is_cleaned_while_a_training_is_at_work(store: Path) -> None:
    folder = store / "checkpoints"
    folder.mkdir()
    with (
        FileLock(folder / "training.lock"),
        pytest.raises(ValueError, match=r"a training is at work; clean after its end$"),
    ):
        cleaning.clean(yes=True)


@pytest.mark.usefixtures("state_dir")
def test_where_nothing_is_there_is_nothing_to_clean(capsys: pytest.CaptureFixture[str]) -> None:
    cleaning.clean(yes=True)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]] == ["0"] * 4
