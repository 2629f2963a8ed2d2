"""MLflow's artifacts without a server: in the folder next to its SQLite file."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> "ArtifactRepository":
    """Resolve mlflow-artifacts: URIs also where there is no server, next to the SQLite file.

    An entry point in pyproject.toml makes it MLflow's own way of reading them, so that one store
    serves `mlflow server` and processes without a server, and survives a move of its folder.
    """
    from mlflow import get_tracking_uri
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    uri = tracking_uri or registry_uri or get_tracking_uri()
    if not uri.startswith("sqlite:///"):
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    folder = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts"
    path = folder / urlsplit(artifact_uri).path.lstrip("/")
    return LocalArtifactRepository(path.absolute().as_uri())  # quoted, as it unquotes
