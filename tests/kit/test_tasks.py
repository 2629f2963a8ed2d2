"""What the flows promise when a step fails: how often it is tried, how long, and in turn."""

import logging
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import Posture

from .. import ROOT, module, quick_params

automations = module("kit.automations")
orchestration = module("kit.orchestration")
FLOWS = [module(f"flows.{n}") for n in ("shared", "training", "scoring", "monitoring", "tuning")]
TASKS = {
    name: found for flow in FLOWS for name, found in vars(flow).items() if isinstance(found, Task)
}
# Made once for the same content; and what reaches no store and no server.
CACHED, LOCAL = {"clean", "fit"}, {"evaluate", "raise_alarm"}


@pytest.mark.parametrize("name", TASKS.keys() - CACHED - LOCAL)
def test_what_reaches_a_server_is_tried_four_times(name: str) -> None:
    found = TASKS[name]
    assert (found.retries, found.retry_delay_seconds) == (3, [2, 4, 8])
    assert found.retry_jitter_factor == 0.5
    assert found.retry_condition_fn is orchestration.is_retryable
    assert found.cache_policy is NO_CACHE
    if name != "try_params":  # it runs in a thread
        assert found.timeout_seconds in {10 * 60, 60 * 60, 4 * 60 * 60}


@pytest.mark.parametrize("name", CACHED)
def test_what_makes_a_checkpoint_is_cached_by_content(name: str) -> None:
    found = TASKS[name]
    assert found.cache_policy is orchestration.BY_CONTENT
    assert found.persist_result
    assert found.result_serializer == "json"
    assert found.timeout_seconds == 4 * 60 * 60
    assert found.retries == (2 if name == "fit" else 0)
    assert (found.retry_condition_fn is orchestration.is_lost_worker) == (name == "fit")


@pytest.mark.parametrize("name", LOCAL)
def test_what_reaches_no_server_is_tried_once(name: str) -> None:
    assert TASKS[name].retries == 0
    assert TASKS[name].cache_policy is NO_CACHE


def test_a_checkpoint_is_that_of_what_was_read_by_this_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(raw: Path, task: str = "clean", location: str = "months/2024-01.csv") -> Any:
        context = SimpleNamespace(task=TASKS[task])
        return orchestration._content_key(context, {"raw": raw, "location": location})

    paths = [tmp_path / name for name in ("first", "moved", "edited")]
    for path, content in zip(paths, ("1", "1", "2"), strict=True):
        path.write_text(content)
    first, moved, edited = map(key, paths)
    assert first == moved
    others = {edited, key(paths[0], "fit"), key(paths[0], location="months/2024-02.csv")}
    monkeypatch.setattr(orchestration, "CODE", "edited")
    assert len({first, *others, key(paths[0])}) == 5


def test_a_training_waits_for_another(state_dir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (state_dir / "checkpoints").mkdir(parents=True)
    other, said = FileLock(state_dir / "checkpoints/training.lock"), []

    class Logger:
        def info(self, message: str) -> None:
            said.append(message)
            other.release()

    monkeypatch.setattr(orchestration, "get_run_logger", Logger)
    other.acquire()
    with pytest.raises(ValueError, match="give one, not both"):
        module("flows").train.fn(params=quick_params(), params_name="tuned")
    assert said == ["Another training is at work; this one waits for its end"]


@pytest.mark.parametrize("tested", [None, 7])
def test_a_retraining_looks_without_an_alarm(
    tested: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = module("kit.records").Finding(value=9, judgement="fail")
    seen = {"model_version": 1, "period": "2024-01", "digest": "x", "rows": 1, "test_error": 1}
    drifted = module("kit.records").Inspection(**seen, error=None, findings={"distance": found})
    monitoring, done = module("flows.monitoring"), []

    def stands_in(name: str, answer: Any) -> None:
        def answering(**options: Any) -> Any:
            done.append((name, options))
            return answer

        monkeypatch.setattr(monitoring, name, lambda *_, **options: answering(**options))

    for name, answer in (("monitor", drifted), ("find_tested", tested)):
        stands_in(name, answer)
    for name in ("train", "score"):
        stands_in(name, None)
    monkeypatch.setattr(monitoring, "get_run_logger", logging.getLogger)
    monitoring.retrain.fn()
    assert done[:2] == [("monitor", {"alarm": False}), ("find_tested", {})]
    # A month that a version was tested on was learnt as far as it can be.
    assert [name for name, _ in done[2:]] == ([] if tested else ["train", "score"])


def test_a_flow_run_is_dead_after_as_long_as_the_page_says() -> None:
    rescue = automations.rescue()
    [action] = rescue.actions
    assert (action.state, rescue.trigger.posture) == (StateType.CRASHED, Posture.Proactive)
    assert rescue.trigger.after == {"prefect.flow-run.Running", "prefect.flow-run.heartbeat"}
    minutes = rescue.trigger.within // timedelta(minutes=1)
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    assert f"once its heartbeats have stopped for {minutes} minutes" in page
