"""Malformed data takes another path instead of a crash, and hooks tell about it.

Watch: one file of three has lost its numbers. Its check ends in a state of another name,
Malformed, and the flow branches on it: that file goes to quarantine/, the others go on. The hooks
of the task and of the flow each send a message; here it is printed, it may as well go to a chat.

Run:   uv run poe example conditional
Takes: about 6 seconds.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import State, flow, task
from prefect.states import Completed, Failed


def tell(flow: Any, flow_run: Any, state: State[Any]) -> None:
    """State hook, of a flow or a task: a message, if there is something to say."""
    if state.message:
        print(f"MESSAGE: {flow.name} {flow_run.name} is {state.name}: {state.message}")


@task(task_run_name="{path.name}", on_completion=[tell])
def check(path: Path) -> State[list[float]]:
    """Read the durations of a file, in minutes; a state called Malformed if there are none."""
    try:
        return Completed(data=[float(word) for word in path.read_text().split()])
    except ValueError as error:
        return Completed(name="Malformed", message=str(error))


@task
def quarantine(path: Path) -> None:
    """Move a file out of the way, for a person to look at."""
    path.parent.joinpath("quarantine").mkdir(exist_ok=True)
    path.rename(path.parent / "quarantine" / path.name)


@flow(on_completion=[tell], on_failure=[tell])
def conditional(folder: Path) -> State[dict[str, float]]:
    """Sum of the durations of each well-formed file; Failed if there is none."""
    sums = {}
    for path in sorted(folder.glob("*.txt")):
        state = check(path)
        if state.name == "Malformed":
            quarantine(path)
        else:
            sums[path.name] = sum(state.result())
    if not sums:
        return Failed(message="no good file")
    return Completed(message=f"minutes {sums}", data=sums)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        for month, text in {"01": "12.5 7.5", "02": "9 <html>", "03": "11"}.items():
            Path(name, f"2024-{month}.txt").write_text(text)
        conditional(Path(name), return_state=True)
