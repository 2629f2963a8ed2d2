"""What differs from machine to machine, read from the environment and from .env."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGE = __package__ or Path(__file__).parent.name
PROJECT = PACKAGE.replace("_", "-")
"""The project's slug: the registered model and the MLflow experiment have this name."""

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""


def _from_root(path: Path) -> Path:
    return ROOT / path.expanduser()


def _variable(name: str) -> str:
    return name if name.isupper() else f"{PACKAGE}_{name}".upper()


def refuse_password(location: str) -> str:
    """The location. Raises ValueError if it holds one: logs, Prefect and MLflow keep locations."""
    url = urlsplit(location if "://" in location else "")
    name = url.username if url.scheme in {"http", "https"} else None
    if url.password or name or {"password", "sslpassword"} & {*parse_qs(url.query)}:
        raise ValueError(
            f"{url.scheme}://{url.hostname}: holds a password or a token, which logs would keep; "
            "give it in the environment (for postgresql: PGPASSWORD or ~/.pgpass, for MLflow: "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
        )
    return location


def _location(location: str) -> str:
    return refuse_password(location) if "://" in location else str(_from_root(Path(location)))


def refuse_passwords(arguments: Mapping[str, Any]) -> None:
    """The same for the parameters of a flow, before Prefect keeps them."""
    for given in arguments.values():
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str):
                refuse_password(value)


class Settings(BaseSettings):
    """Settings of this machine; each may be given as <PACKAGE>_<NAME>.

    Raises ValueError, which names them, if some cannot be used.
    """

    model_config = SettingsConfigDict(
        env_prefix=f"{PACKAGE.upper()}_",
        env_file=ROOT / ".env",
        extra="ignore",
    )

    data_location: Annotated[str, AfterValidator(_location)] = Field(
        default="data",
        description="Folder, or http(s), s3, gs or postgresql URI, that holds the months.",
    )
    database_secret: str = Field(
        default="",
        description="Prefect Secret block with the password for postgresql://; empty: libpq's own.",
    )
    state_dir: Annotated[Path, AfterValidator(_from_root)] = Field(
        default=ROOT,
        description="Folder for what must outlive a flow run: checkpoints and MLflow's store.",
    )
    mlflow_tracking_uri: Annotated[str, AfterValidator(refuse_password)] = Field(
        default="",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server; empty: a SQLite store in state_dir.",
    )
    memory_rows: int = Field(
        default=5_000_000,
        ge=0,
        description="Rows to train on above which `train` reads them from the disk in batches.",
    )
    dask_scheduler: str = Field(
        default="",
        description="Address of a dask scheduler, such as tcp://host:8786; empty: a local cluster.",
    )
    min_gain: float = Field(
        default=0.005,
        ge=0,
        lt=1,
        description="Share of the champion's RMSE that a challenger must gain to be promoted.",
    )
    drift_warn: float = Field(
        default=0.1, ge=0, description="PSI of a feature above which `monitor` warns."
    )
    drift_fail: float = Field(
        default=0.25, ge=0, description="PSI of a feature above which it asks for a retraining."
    )
    error_warn: float = Field(
        default=0.1,
        ge=0,
        description="Share by which the champion's RMSE may rise before `monitor` warns.",
    )
    error_fail: float = Field(
        default=0.25, ge=0, description="Share above which it asks for a retraining."
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = [
                f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()
            ]
            raise ValueError("; ".join(faults).replace("Value error, ", "")) from None

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the cleaned months and fitted pipelines."""
        return self.state_dir / "checkpoints"

    @property
    def prediction_dir(self) -> Path:
        """Folder of the scored months."""
        return self.state_dir / "predictions"

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking URI that holds for this machine."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.state_dir / 'mlflow.db').as_posix()}"
