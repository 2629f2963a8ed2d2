"""The command line: each flow as a command, with its parameters as options."""

import logging
import sys

from cyclopts import App

app = App(name="uv run poe", help=__doc__, version_flags=[])
app.command(f"{__package__}.flows:train", name="train")


def main() -> int:
    """Run a command; an error is one line, but for bugs, which show where they are."""
    # Prefect logs a failure once for the task and twice for the flow; main says it once.
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(lambda record: record.levelno < logging.ERROR)
    try:
        app()
    except Exception as error:
        ...
    return 0


if __name__ == "__main__":
    sys.exit(main())
