"""Which project this is: its names and folders."""

from pathlib import Path

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
PACKAGE = PACKAGE_FOLDER.name
# The slug: what servers keep under a name begins with it.
PROJECT = PACKAGE.replace("_", "-")
ROOT = PACKAGE_FOLDER.parents[1]
