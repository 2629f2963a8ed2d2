"""The command line: flows and commands with their parameters as options, errors in one line."""

import gc
import logging
import re
import sys
from importlib import import_module
from typing import Any

from cyclopts import App, CycloptsError

# Prefect's modules that log a failure, once for the task and three times for the flow.
ENGINES = ("task_engine", "flow_engine")
DENIED = (401, 403)
# Modules that only `tune` needs, or a store of MLflow's files; and their packages.
EXTRAS = {
    "optuna": "optuna",
    "boto3": "boto3",
    "google": "google-cloud-storage",
    "azure": "azure-storage-blob",
}
ADDRESS = "PREFECT_API_URL (such as http://host:4200/api)"
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def run(app: App) -> None:
    """Run a command; what is wrong with options, data, network or disk is said in one line."""
    try:
        command, given, _ = app.parse_args(exit_on_error=False, print_error=False)
        _check_parameters(command, given.arguments)
        command(*given.args, **given.kwargs)
    except CycloptsError as error:
        sys.exit(f"error: {_on_one_line(str(error))}; --help shows the options")
    except Exception as error:
        line = advice(error)
        if line is None:
            raise
        sys.exit(f"error: {line}")
    finally:
        # Or Python looks through all that was imported once more: a second, for nothing.
        gc.freeze()


def _check_parameters(command: Any, arguments: dict[str, Any]) -> None:
    """Check a flow's parameters before Prefect keeps them; and have failures said once, by us."""
    if not hasattr(command, "validate_parameters"):
        return
    for handler in logging.getLogger().handlers:
        handler.addFilter(_SaidOnce())
    # What is wrong in data.py, features.py or model.py is said before a server starts.
    import_module(".modelling.contract", __package__)
    try:
        command.validate_parameters(arguments)
    except TypeError as error:  # Prefect's, with a line for each parameter
        sys.exit(f"error: {_on_one_line(str(error))}; --help shows the options")


class _SaidOnce(logging.Filter):
    """Drop what Prefect's engines say of a failure: `run` says it, and the server has it all."""

    failed = False

    def filter(self, record: logging.LogRecord) -> bool:
        if record.module not in ENGINES:
            return True
        self.failed |= record.levelno >= logging.ERROR
        return not self.failed


def advice(error: Exception) -> str | None:
    """Return in one line what is wrong and what to do; None for what nobody has foreseen."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    if isinstance(error, ImportError):
        package = EXTRAS.get(str(error.name).partition(".")[0])
        return f"{package} is needed here; `uv add {package}`" if package else None
    return _about_mlflow(error) or _about_prefect(error)


def _about_mlflow(error: Exception) -> str | None:
    # By their names: to import MLflow takes seconds, and S3 is not everybody's.
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if "mlflow" in packages:
        return f"MLflow failed ({_cause(error)}); look at its server or its disk"
    if packages & {"boto3", "botocore"}:
        return (
            f"MLflow's files cannot be reached ({_cause(error)}); look at their address and login"
        )
    return None


def _about_prefect(error: Exception) -> str | None:
    import httpx

    is_away = str(error).startswith("Failed to reach API")
    if not is_away and not isinstance(error, httpx.HTTPError):
        return None
    if UNTRUSTED in (cause := _cause(error)):
        return f"the Prefect API is not trusted ({cause}); name its CA in PREFECT_API_SSL_CERT_FILE"
    if is_away:
        return f"{error}; start it (uv run poe up), or change {ADDRESS}"
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in DENIED:
        problem = f"{error.request.url}: answers {error.response.status_code}"
        return f"{problem}; set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Prefect Cloud"
    reason = str(error).partition("For more information")[0].strip(" -\n")
    return f"the Prefect API cannot be used ({reason}); look at {ADDRESS}"


def _cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return str(error).split("\n")[0]


def _on_one_line(message: str) -> str:
    """Return what cyclopts or pydantic says, without pydantic's title, types and address."""
    # What a check of our own says stands alone: before it is the value, which may be a password.
    message = message.rpartition("Value error, ")[2]
    message = re.sub(r"\d+ validation errors? for \S+| \[type=.*|For further .*", "", message)
    parts = (line.strip(" .") for line in message.splitlines())
    return ": ".join(part for part in parts if part)
