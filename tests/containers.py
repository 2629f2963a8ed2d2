"""A container engine for the tests: Docker's, or podman's Docker-compatible API."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .lab import process, wait_until

BASE = "docker.io/library/python:3.11-slim"
PACKAGES = "python3,python3-pip,python3-venv,python-is-python3,ca-certificates"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CLONE_NEWNET = 0x40000000
CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_config_dir = "{0}/networks"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{0}/images"
runroot = "{1}"
"""


@dataclass
class Engine:
    """A container engine: its command, how it builds, and the environment of both."""

    program: str
    build_options: list[str]
    env: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run its command line, and return all that it said."""
        done = subprocess.run(
            [self.program, *arguments],
            env=os.environ | self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not done.returncode, f"{self.program} {' '.join(arguments)}\n{done.stdout}"
        return done.stdout

    def build(self, tag: str, folder: Path) -> str:
        return self.run("build", *self.build_options, "--tag", tag, str(folder))


@contextmanager
def engine(folder: Path, cache: Path) -> Iterator[Engine]:
    """Docker where it runs, else podman with a base image of its own; skips where neither is."""
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        yield Engine("docker", [], {})
        return
    missing = [name for name in ("podman", "runc", "debootstrap") if not shutil.which(name)]
    if missing or os.geteuid():
        pytest.skip(f"no Docker, and podman needs root and: {', '.join(missing) or 'no more'}")
    with podman(folder, base_image(folder, cache)) as made:
        yield made


@contextmanager
def podman(folder: Path, base: Path) -> Iterator[Engine]:
    """Podman with images in `folder`, and Docker's API on a socket."""
    (folder / "containers.conf").write_text(CONTAINERS.format(folder))
    # Where this path has more than 50 letters, podman restarts nothing, without a word.
    runs = tempfile.mkdtemp(prefix="podman-")
    (folder / "storage.conf").write_text(STORAGE.format(folder, runs))
    socket = folder / "podman.sock"
    env = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "DOCKER_HOST": f"unix://{socket}",
    }
    made = Engine("podman", ["--isolation", "chroot", "--pull=never"], env)
    made.run("import", "--change", f"ENV SSL_CERT_FILE={CA_BUNDLE}", str(base), BASE)
    service = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
    try:
        with process(*service, cwd=folder, env=os.environ | env, log=folder / "podman.log"):
            wait_until(socket.exists, "podman's API")
            yield made
    finally:
        made.run("system", "reset", "--force")
        shutil.rmtree(runs, ignore_errors=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Give this thread, and what it starts, a network in which all ports are free; no way out."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(CLONE_NEWNET):
            pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert not libc.setns(before.fileno(), CLONE_NEWNET)


def base_image(
    folder: Path, cache: Path, name: str = "python-3.11-slim", packages: str = PACKAGES
) -> Path:
    """Return a Debian with packages, as a tar file that later sessions use again."""
    tar = cache / f"{name}.tar"
    if not tar.exists():
        root = folder / "root"
        command = [
            "debootstrap",
            "--variant=minbase",
            f"--include={packages}",
            "bookworm",
            str(root),
        ]
        subprocess.run(command, check=True, capture_output=True)
        certificates = os.environ.get("SSL_CERT_FILE", CA_BUNDLE)
        shutil.copyfile(certificates, root / CA_BUNDLE.lstrip("/"))
        for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            mark.unlink()  # Python's own image lets pip install
        subprocess.run(["tar", "-C", root, "-cf", tar.with_suffix(".part"), "."], check=True)
        tar.with_suffix(".part").rename(tar)
        shutil.rmtree(root)
    return tar
