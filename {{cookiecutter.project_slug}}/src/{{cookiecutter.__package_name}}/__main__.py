"""The flows as commands, with their parameters as options."""

import gc
import logging
import re
import sys

from cyclopts import App, CycloptsError

from .settings import refuse_passwords
from .startup import compile_ahead, start_server

FAILED = re.compile(
    r"Encountered exception|Finished in state (Failed|TimedOut)"
    r"|(Task|Flow) run (failed|exceeded)(?!.* - Retry \d)",
    re.DOTALL,
)
"""What Prefect says of a failure that is not tried again."""

app = App(name="uv run poe", help=__doc__, version_flags=[])
app.command(f"{__package__}.flows:train")
app.command(f"{__package__}.flows:tune")
app.command(f"{__package__}.flows:score")
app.command(f"{__package__}.flows:monitor")
app.command(f"{__package__}.flows:retrain")
app.command(f"{__package__}.registry:promote")
app.command(f"{__package__}.serving:serve")
app.command(f"{__package__}.deployment:deploy")
app.command(f"{__package__}.deployment:worker")
app.command(f"{__package__}.automations:automations")
app.command(f"{__package__}.platform:up")
app.command(f"{__package__}.platform:work", show=False)


def main() -> None:
    """Run a command; what is wrong with options, data, network or disk is told in one line."""
    compile_ahead()
    try:
        command, given, _ = app.parse_args(exit_on_error=False, print_error=False)
        for handler in logging.getLogger().handlers:
            handler.addFilter(_is_not_about_failure)
        if command.__module__ == f"{__package__}.flows":
            refuse_passwords(given.arguments)
            start_server()
        command(*given.args, **given.kwargs)
    except CycloptsError as error:
        sys.exit(f"error: {_on_one_line(str(error))}; --help shows the options")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        # By their names, because `--help` need not wait for MLflow's import.
        if type(error).__module__ == "mlflow.exceptions":
            sys.exit(f"error: MLflow failed ({_cause(error)}); look at its server or its disk")
        if str(error).startswith("Failed to reach API"):
            sys.exit(f"error: {error}; start the Prefect server, or change PREFECT_API_URL")
        raise
    finally:
        # Looking through all objects once more at the end would take a second.
        gc.freeze()


def _cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return str(error).split("\n")[0]


def _on_one_line(message: str) -> str:
    """What cyclopts or pydantic says, without pydantic's title, types and address."""
    message = re.sub(r"\d+ validation errors? for \S+| \[type=.*|For further .*", "", message)
    parts = (line.strip(" .") for line in message.splitlines())
    return ": ".join(part for part in parts if part)


def _is_not_about_failure(record: logging.LogRecord) -> bool:
    # Prefect says a failure once for the task and three times for the flow; main says it once.
    # The server gets all of it, by another handler.
    about = record.name.startswith(("prefect.task_runs", "prefect.flow_runs"))
    return not (about and FAILED.match(record.getMessage()))


if __name__ == "__main__":
    main()
