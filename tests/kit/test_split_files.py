"""The command `split`: whatever is cut, its rows and columns are all there, and in their files."""

import random
from pathlib import Path

import pandas as pd
import pytest

from .. import module

command = module("kit.split_files")
locations = module("kit.locations")

ROWS = 500


def sales() -> pd.DataFrame:
    """Sales of four months, in no order; ids with zeros, quotes, commas, line breaks, gaps."""
    rng = random.Random(0)
    return pd.DataFrame(
        {
            "sold_at": pd.date_range("2023-11-20", periods=ROWS, freq="4h"),
            "shop": [f"00{rng.randrange(9)}" for _ in range(ROWS)],
            "note": [rng.choice(["", 'a "b", c', "two\nlines", "é"]) for _ in range(ROWS)],
            "amount": [rng.choice([None, 0.1, 12.50]) for _ in range(ROWS)],
        }
    ).sample(frac=1, random_state=0)


def read(paths: list[Path]) -> pd.DataFrame:
    parts = [
        pd.read_parquet(path)
        if path.suffix == ".parquet"
        else pd.read_csv(path, dtype={"shop": str, "note": str}, parse_dates=["sold_at"])
        for path in paths
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize(
    ("period", "code"), [("month", "%Y-%m"), ("week", "%G-W%V"), ("day", "%F")]
)
def test_all_rows_are_in_the_file_of_their_period(
    ending: str, period: str, code: str, tmp_path: Path
) -> None:
    rows, one, out = sales(), tmp_path / f"sales.{ending}", tmp_path / "out"
    rows.to_parquet(one, index=False) if ending == "parquet" else rows.to_csv(one, index=False)
    command.split(one, time="sold_at", period=period, to=out)
    made = sorted(out.iterdir())
    names = [f"sales_{name}" for name in sorted({*rows["sold_at"].dt.strftime(code)})]
    assert [path.stem for path in made] == names
    for path in made:
        assert {*read([path])["sold_at"].dt.strftime(code)} == {path.stem.removeprefix("sales_")}
    expected, found = (
        frame.fillna({"note": ""}).sort_values("sold_at", ignore_index=True)
        for frame in (rows, read(made))
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_daily_files_become_months(tmp_path: Path) -> None:
    days = []
    for day, rows in sales().groupby(sales()["sold_at"].dt.date):
        days.append(tmp_path / f"sales_{day}.parquet")
        rows.to_parquet(days[-1], index=False)
    command.split(*days, time="sold_at", to=tmp_path / "out")
    made = sorted((tmp_path / "out").iterdir())
    assert [path.stem for path in made] == [
        f"sales_{m}" for m in ("2023-11", "2023-12", "2024-01", "2024-02")
    ]
    assert len(read(made)) == ROWS


def test_a_file_that_was_cut_is_not_to_count_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sales().to_csv(tmp_path / "sales.csv", index=False)
    command.split(tmp_path / "sales.csv", time="sold_at", period="month", to=tmp_path)
    told = f"Now move sales.csv out of {tmp_path}: its rows are there twice"
    assert capsys.readouterr().out.splitlines()[-1] == told


def test_more_periods_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("kit.splitting"), "MOST_OPEN", 3)
    sales().to_parquet(tmp_path / "sales.parquet", index=False)
    command.split(tmp_path / "sales.parquet", time="sold_at", period="day", to=tmp_path / "out")
    assert len(read(sorted((tmp_path / "out").iterdir()))) == ROWS


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    one, other, out = tmp_path / "sales.csv", tmp_path / "other.csv", tmp_path / "out"
    sales().to_csv(one, index=False)
    sales().drop(columns="note").to_csv(other, index=False)
    out.mkdir()
    (out / "sales_2024-01.csv").write_text("mine")
    for files, time, message in (
        ([one], "sold_at", r"out: sales_2024-01\.csv are there already; delete them first"),
        ([one], "soldat", r"sales\.csv: .*soldat.*; check the files, and --time"),
        ([one], "shop", r"sales\.csv: .*00\d.*; check the files, and --time"),
        ([one, other], "sold_at", r"other\.csv: has other columns than .*sales\.csv"),
        ([tmp_path / "none.csv"], "sold_at", r"none\.csv: no such file"),
        ([], "sold_at", "no file is given"),
    ):
        with pytest.raises(locations.DataError, match=message):
            command.split(*files, time=time, to=out)
        assert [path.name for path in out.iterdir()] == ["sales_2024-01.csv"]
    assert (out / "sales_2024-01.csv").read_text() == "mine"
