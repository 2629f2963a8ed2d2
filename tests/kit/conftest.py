"""What the kit's tests share, besides the project's own conftest.py: small months of trips."""

import pyarrow.parquet as pq
import pytest

from .make_months import make_month

ROWS = 2_000


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three small months, oldest first."""
    folder = tmp_path_factory.mktemp("months")
    paths = [folder / f"trips_{month}.parquet" for month in ("2024-01", "2024-02", "2024-03")]
    for path in paths:
        pq.write_table(make_month(path.stem[-7:], ROWS), path)
    return [str(path) for path in paths]
