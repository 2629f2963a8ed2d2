"""The digest of the code that makes a model, and files that are whole or not there."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from .. import PACKAGE, ROOT, module

files = module("kit.files")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, to edit."""
    return Path(shutil.copytree(ROOT / "src" / PACKAGE, tmp_path / PACKAGE))


def test_a_copy_has_the_same_digest(package: Path) -> None:
    assert files.code_digest(package) == files.code_digest() == files.CODE


@pytest.mark.parametrize("name", ["data.py", "features.py", "model.py", "kit/modelling/months.py"])
def test_what_makes_a_model_counts(package: Path, name: str) -> None:
    with (package / name).open("a") as file:
        file.write("# edited\n")
    assert files.code_digest(package) != files.CODE


def test_modules_that_a_user_adds_count(package: Path) -> None:
    digests = [files.CODE]
    helper = package / "holidays.py"
    folder = package / "weather"
    folder.mkdir()
    for path, text in [
        (helper, "DAYS = 10\n"),
        (helper, "DAYS = 11\n"),
        (folder / "stations.csv", "name,zone\n"),
        (folder / "stations.csv", "name,zone\nKEF,1\n"),
    ]:
        path.write_text(text)
        digests.append(files.code_digest(package))
    assert len({*digests}) == len(digests)
    helper.unlink()
    shutil.rmtree(folder)
    assert files.code_digest(package) == files.CODE


@pytest.mark.parametrize(
    "name",
    [
        *("flows/training.py", "examples/caching.py", "__main__.py", "settings.py"),
        *("kit/reports.py", "flows/of_a_user.py", "examples/of_a_user.py", "kit/of_a_user.py"),
        *(".data.py.swp", ".ipynb_checkpoints/features.py", "__pycache__/data.cpython-311.pyc"),
        "kit/modelling/__pycache__/months.cpython-311.pyc",
    ],
)
def test_what_makes_no_model_does_not_count(package: Path, name: str) -> None:
    path = package / name
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("# edited\n")
    assert files.code_digest(package) == files.CODE


def test_an_edit_while_a_flow_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    files.refuse_edited_code()
    monkeypatch.setattr(files, "CODE", "as it was at the start")
    with pytest.raises(ValueError, match=rf"^{PACKAGE}: the code was edited while this flow ran"):
        files.refuse_edited_code()


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with suppress(OSError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("No space left on device")
    assert path.read_text() == "first"
    assert [*path.parent.iterdir()] == [path]


def test_flows_are_imported_without_what_only_their_tasks_need() -> None:
    """So `--help` and a worker's start do not wait for pandas; and tasks log what data.py logs."""
    heavy = ("pandas", "sklearn", "xgboost", "mlflow", f"{PACKAGE}.data")
    code = f"import sys, {PACKAGE}.flows; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
