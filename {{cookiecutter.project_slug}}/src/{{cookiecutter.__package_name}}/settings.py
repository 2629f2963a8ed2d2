"""What differs from machine to machine: read from the environment and from .env.

Each may be given as <PACKAGE>_<NAME>; .env.example lists them.
"""

from pathlib import Path

from pydantic import Field

from .kit.locations import Location
from .kit.machine import MachineSettings, ProjectLocation, ProjectPath
from .kit.project import ROOT


class Settings(MachineSettings):
    """The settings of this machine."""

    # Folder, or http(s), s3, gs or postgresql address, that holds the months.
    data_location: ProjectLocation = Field(default="data", validate_default=True)
    # Prefect Secret block with the password for postgresql://; empty: libpq's own ways.
    database_secret: str = ""
    # Folder for what must outlive a flow run: checkpoints, predictions and MLflow's store.
    state_dir: ProjectPath = ROOT
    # MLflow server; empty: a SQLite store in state_dir.
    mlflow_tracking_uri: Location = Field(default="", validation_alias="MLFLOW_TRACKING_URI")

    # Rows to train on above which `train` reads them from the disk in batches.
    memory_rows: int = Field(default=5_000_000, ge=0)
    # Address of a dask scheduler, such as tcp://host:8786; empty: a cluster of this machine.
    dask_scheduler: str = ""

    # Share of the champion's error that a challenger must gain to be promoted.
    min_gain: float = Field(default=0.005, ge=0, lt=1)
    # PSI of a feature above which `monitor` warns, and above which it asks for a retraining.
    drift_warn: float = Field(default=0.1, ge=0)
    drift_fail: float = Field(default=0.25, ge=0)
    # Share by which the champion's error may rise before `monitor` does the same.
    error_warn: float = Field(default=0.1, ge=0)
    error_fail: float = Field(default=0.25, ge=0)

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
        """MLflow's tracking URI on this machine."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.state_dir / 'mlflow.db').as_posix()}"
