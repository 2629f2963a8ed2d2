"""A real PostgreSQL, which asks for a password."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .lab import free_port

PASSWORD = "hunter2-swordfish-correct-horse"
BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))
AS_OWNER = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
"""PostgreSQL does not run as root; Debian's package makes it a user."""

IS_THERE = (BIN / "initdb").exists()


@contextmanager
def postgres() -> Iterator[int]:
    """Run a database server that asks for the password, and yield its port."""
    # Not in pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    (folder / "password").write_text(PASSWORD)
    if AS_OWNER:
        shutil.chown(folder, "postgres")
    port, data = free_port(), str(folder / "data")
    control = [*AS_OWNER, str(BIN / "pg_ctl"), "-D", data, "-w"]

    def run(*command: str) -> None:
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL)

    try:
        make = [*AS_OWNER, str(BIN / "initdb"), "-D", data, "-U", "taxi", "-A", "scram-sha-256"]
        run(*make, f"--pwfile={folder}/password")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(*control, "-o", options, "-l", str(folder / "log"), "start")
        yield port
        run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
