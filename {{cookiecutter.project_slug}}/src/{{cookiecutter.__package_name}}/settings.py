"""What differs from machine to machine: read from the environment and from .env.

Each may be given as <PACKAGE>_<NAME>; .env.example lists them.
"""

from pydantic import Field

from .kit.machine import Device, MachineSettings, ProjectLocation


class Settings(MachineSettings):
    """The settings of this machine; .env.example lists all, also those of the kit."""

    # Folder, or http(s), s3, gs or postgresql address, that holds the months.
    data_location: ProjectLocation = Field(default="data", validate_default=True)
    # Prefect Secret block with the password for postgresql://; empty: PGPASSWORD or ~/.pgpass.
    database_secret: str = ""

    # Rows to train on above which `train` reads them from the disk in batches.
    memory_rows: int = Field(default=5_000_000, ge=0)
    # What XGBoost trains on: "cuda" is a GPU, "auto" takes one if it is there.
    device: Device = "auto"
    # Address of a dask scheduler, such as tcp://host:8786; empty: a cluster of this machine.
    dask_scheduler: str = ""

    # Share of the champion's error that a challenger must gain to be promoted.
    min_gain: float = Field(default=0.005, ge=0, lt=1)
    # Drift of a feature (population stability index) above which `monitor` warns, and above which
    # it asks for a retraining.
    drift_warn: float = Field(default=0.1, ge=0)
    drift_fail: float = Field(default=0.25, ge=0)
    # Rise of the champion's error, as a share, above which `monitor` warns, and above which it asks
    # for a retraining.
    error_warn: float = Field(default=0.1, ge=0)
    error_fail: float = Field(default=0.25, ge=0)
