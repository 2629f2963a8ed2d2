"""Which project this is: its names, its folders, and the commit of its code."""

import subprocess
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
PACKAGE = PACKAGE_FOLDER.name
# The slug: what servers keep under a name begins with it.
PROJECT = PACKAGE.replace("_", "-")
ROOT = PACKAGE_FOLDER.parents[1]


def commit_tags() -> dict[str, str]:
    """Return MLflow's tags for the commit, and whether there were edits since; none without git."""
    asked = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain"])
    try:
        commit, edits = (
            subprocess.check_output(ask, cwd=ROOT, stderr=subprocess.DEVNULL, text=True)
            for ask in asked
        )
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, or no commit
        return {}
    return {
        "mlflow.source.git.commit": commit.strip(),
        "mlflow.source.git.dirty": str(bool(edits)),
    }
