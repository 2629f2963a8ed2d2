"""Locations of months and servers: no password in them, and none kept; names for their files."""

import re
import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator

from .files import text_digest

LONGEST_NAME = 150
# What is a login in the query of an address; a presigned address has no other way.
PASSWORDS = {"password", "sslpassword", "private_token", "access_token", "token"}
# An address that its query signs (S3, GCS, Azure, CloudFront), wherever it is in a text.
PRESIGNED = re.compile(r"""(?i)(://[^?]*)\?.*?(?<![a-z0-9])sig(?:nature)?=[^\s'"]*(?<!:)""")


def without_signature(text: str) -> str:
    """Return a text whose presigned addresses lack their queries: who has one can read the file."""
    return PRESIGNED.sub(r"\1", text)


class DataError(ValueError):
    """Data that cannot be used. The message says which, what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(without_signature(message))


def refuse_password(location: str) -> str:
    """Return the location; DataError if it holds a password: logs, Prefect and MLflow keep it."""
    url = urlsplit(location if "://" in location else "")
    name = url.username if url.scheme in {"http", "https"} else None
    if url.password or name or PASSWORDS & {key.lower() for key in parse_qs(url.query)}:
        raise DataError(
            f"{url.scheme}://{url.hostname}: holds a password or a token, which logs would keep; "
            "give it in the environment (for postgresql: PGPASSWORD or ~/.pgpass, for MLflow: "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
        )
    return location


# A path or an address, without a password.
Location = Annotated[str, AfterValidator(refuse_password)]
# The same as it is kept: in results, in reports, in MLflow.
KeptLocation = Annotated[str, AfterValidator(without_signature)]


def name_in(location: str) -> str:
    """Return the name of a month's file, table or query as its owner wrote it."""
    url = urlsplit(location if "://" in location else "")
    options = parse_qs(url.query)
    if url.scheme == "postgresql" and "table" in options:
        return f"{options['table'][0]}.parquet"
    if url.scheme == "postgresql" and "query" in options:
        return f"query-{text_digest(options['query'][0])}.parquet"
    return url.path.rsplit("/", 1)[-1] if url.scheme else Path(location).name


def file_name(location: str) -> str:
    """Return the same as a name for a file: without what leaves a folder or breaks a line."""
    name = name_in(location)
    plain = re.sub(r"[^\w.+=, -]", "_", name).lstrip(".")
    short = plain.encode()[-LONGEST_NAME:].decode(errors="ignore")
    return name if short == name else f"{text_digest(name)}-{short}"


def check_port(host: str, port: int, name: str, advice: str) -> None:
    """Raise ValueError, with a name and an advice, if another program has a port."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise ValueError(f"{name}: port {port} of {host}: {error.strerror}; {advice}") from error
