"""The base of Settings: variables and .env are read, and each fault is one line."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .locations import Location, refuse_password
from .project import PACKAGE, ROOT
from .stores import refuse_read_only

Device = Literal["auto", "cpu", "cuda"]
PREFIX = f"{PACKAGE.upper()}_"
ENV_FILE = ROOT / ".env"
# From 0 to 1: how alike a name has to be to be taken for a misspelt one.
ALIKE = 0.8


def _from_root(path: Path) -> Path:
    if {*str(path)} & {"?", "#"}:
        raise ValueError(f"{path}: holds ? or #, which addresses of databases cannot; rename it")
    return ROOT / path.expanduser()


def _location(location: str) -> str:
    return refuse_password(location) if "://" in location else str(_from_root(Path(location)))


# A folder; and a folder or an address. What is relative is so to the project's folder.
ProjectPath = Annotated[Path, AfterValidator(_from_root)]
ProjectLocation = Annotated[str, AfterValidator(_location)]


class MachineSettings(BaseSettings):
    """Settings that <PACKAGE>_<NAME> gives, in the environment or in .env.

    Raises ValueError, which names them, if some cannot be used or are misspelt.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
    )

    # Folder for what must outlive a flow run: checkpoints, predictions and MLflow's store.
    state_dir: ProjectPath = ROOT
    # Folder, or s3 or gs address, for the scored months; none: predictions/ in state_dir.
    prediction_location: Annotated[ProjectLocation, AfterValidator(refuse_read_only)] | None = None
    # MLflow server; empty: a SQLite store in state_dir.
    mlflow_tracking_uri: Location = Field(default="", validation_alias="MLFLOW_TRACKING_URI")

    @property
    def checkpoint_dir(self) -> Path:
        """Folder of the cleaned months and fitted pipelines."""
        return self.state_dir / "checkpoints"

    @property
    def raw_dir(self) -> Path:
        """Folder of the copies of months that lie elsewhere, and of those cut from other files."""
        return self.checkpoint_dir / "raw"

    @property
    def prediction_dir(self) -> str:
        """Folder or address of the scored months."""
        return self.prediction_location or str(self.state_dir / "predictions")

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI on this machine."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.state_dir / 'mlflow.db').as_posix()}"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = [f"{_variable(fault['loc'][0])}: {fault['msg']}" for fault in error.errors()]
            raise ValueError("; ".join(faults).replace("Value error, ", "")) from None
        self._refuse_misspelt()

    def _refuse_misspelt(self) -> None:
        in_file = dotenv_values(ENV_FILE, encoding="utf-8-sig")
        known = {f"{PREFIX}{name}".upper() for name in type(self).model_fields}
        for name in sorted({*os.environ, *in_file}):
            if not name.upper().startswith(PREFIX) or name.upper() in known:
                continue
            near = difflib.get_close_matches(name.upper(), known, 1, ALIKE)
            if near or name in in_file:  # what is not alike may be another program's
                hint = f"did you mean {near[0]}?" if near else ".env.example lists them"
                raise ValueError(f"{name}: no setting has this name; {hint}")


def _variable(name: int | str) -> str:
    return str(name) if str(name).isupper() else f"{PREFIX}{name}".upper()
