"""Months, predictions and models in a bucket, of a server that speaks S3."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from .conftest import BakedProject, kept_environment
from .lab import Lab, answers, free_port, mlflow_server, server_process

pytestmark = pytest.mark.slow

# What the pages say: a package of one's own choice, here without a change of the project.
WITH_S3 = ("uv", "run", "--with", "s3fs", "python", "-m")
IN_BUCKET = """
import sys, fsspec, pyarrow as pa, pyarrow.parquet as pq
store = fsspec.filesystem("s3")
command, *paths = sys.argv[1:]
if command == "make":
    store.makedirs("bucket", exist_ok=True)
    for path in paths:
        store.put(path, "bucket/months/")
for path in sorted(store.find("bucket")):
    print(path)
if command == "read":
    with store.open(paths[0]) as file:
        whole = pa.BufferReader(file.read())
    # Without threads of pyarrow's, which may outlive Python's files, and end the process badly.
    print(pq.read_table(whole, use_threads=False, pre_buffer=False).num_rows)
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with no bucket yet; yield what a client needs in its environment."""
    folder, port = tmp_path_factory.mktemp("s3"), free_port()
    moto = ("uvx", "--from", "moto[server]", "moto_server", "--port", str(port))
    address = f"http://127.0.0.1:{port}"
    with server_process(
        *moto,
        is_ready=lambda: answers(f"{address}/moto-api/"),
        cwd=folder,
        env=kept_environment(),
        log=folder / "log",
    ):
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def bucket(project: BakedProject, s3: dict[str, str], *arguments: str) -> list[str]:
    """Make the bucket, list it, or read a file of it; return the lines."""
    words = ("uv", "run", "--with", "s3fs", "python", "-c", IN_BUCKET, *arguments)
    return project.run(*words, **s3).stdout.splitlines()


def error_of(done: CompletedProcess[str]) -> str:
    """Return the one line that a command failed with, which holds no key."""
    assert done.returncode == 1
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stdout + done.stderr
    return error


def test_models_are_kept_in_a_bucket(
    fresh: BakedProject, s3: dict[str, str], tmp_path: Path
) -> None:
    bucket(fresh, s3, "make")
    (fresh.path / ".env").write_text("")
    with_boto = ("uv", "run", "--with", "boto3", "python", "-m")
    train = (fresh.package, "train", "--params.max-rounds", "5")
    promote = (fresh.package, "promote", "--version", "1")
    store = ("--default-artifact-root", "s3://bucket/mlflow", "--no-serve-artifacts")
    with mlflow_server(Lab(fresh, tmp_path, ""), free_port(), options=store) as url:
        env = s3 | {"MLFLOW_TRACKING_URI": url}
        done = fresh.run("uv", "run", "python", "-m", *train, check=False, **env)
        assert error_of(done) == "error: boto3 is needed here; `uv add boto3`"

        fresh.run(*with_boto, *train, **env)
        [model] = [p for p in bucket(fresh, s3, "list") if p.endswith("/model.skops")]
        assert model.startswith("bucket/mlflow/")
        assert "is version 1" in fresh.run(*with_boto, *promote, **env).stdout

        nobody = {
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_EC2_METADATA_DISABLED": "1",
        }
        away = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        for wrong, said in ((nobody, "Unable to locate credentials"), (away, "Could not connect")):
            done = fresh.run(*with_boto, *promote, check=False, **env | wrong)
            assert said in error_of(done)


def test_months_come_from_a_bucket_and_predictions_go_there(
    fresh: BakedProject, s3: dict[str, str]
) -> None:
    months = [str(path) for path in sorted((fresh.path / "data").glob("*.parquet"))]
    bucket(fresh, s3, "make", *months)
    prefix = fresh.package.upper()
    (fresh.path / ".env").write_text(
        f"{prefix}_DATA_LOCATION=s3://bucket/months\n"
        f"{prefix}_PREDICTION_LOCATION=s3://bucket/predictions\n"
    )
    fresh.run(*WITH_S3, fresh.package, "train", "--params.max-rounds", "20", **s3)
    scored = fresh.run(*WITH_S3, fresh.package, "score", **s3)
    month = Path(months[-1]).name
    assert f"s3://bucket/predictions/{month}" in scored.stdout + scored.stderr
    assert not (fresh.path / "predictions").exists()
    listed = bucket(fresh, s3, "list")
    predictions = [path for path in listed if "/predictions/" in path]
    rest = month.replace(".parquet", ".rejected.parquet")
    assert predictions == [f"bucket/predictions/{month}", f"bucket/predictions/{rest}"]
    assert int(bucket(fresh, s3, "read", predictions[0])[-1]) > 0
    said = fresh.run(*WITH_S3, fresh.package, "status", **s3).stdout
    assert f"{month}: scored by version 1" in said

    # A bucket that is not there is named in one line, without the key.
    there = {f"{prefix}_PREDICTION_LOCATION": "s3://nobodys/predictions"}
    done = fresh.run(*WITH_S3, fresh.package, "score", check=False, **s3, **there)
    error = error_of(done)
    assert error.startswith("error: s3://nobodys/predictions/")
    assert "cannot be written" in error
