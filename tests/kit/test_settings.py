"""Settings: what cannot be used, or is misspelt, is named in one line."""

from pathlib import Path

import pytest

from .. import PACKAGE, ROOT, module

machine = module("kit.machine")
settings = module("settings")

PREFIX = f"{PACKAGE.upper()}_"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .env of the test's own."""
    path = tmp_path / ".env"
    monkeypatch.setattr(machine, "ENV_FILE", path)
    monkeypatch.setitem(settings.Settings.model_config, "env_file", path)
    return path


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{PREFIX}MEMORY_ROWS"
    monkeypatch.setenv(name, "lots")
    with pytest.raises(ValueError, match=rf"^{name}: Input should be a valid integer[^\n]*$"):
        settings.Settings()


def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{PREFIX}DATA_LOCATON"
    monkeypatch.setenv(name, "/months")
    right = f"{PREFIX}DATA_LOCATION"
    with pytest.raises(ValueError, match=rf"^{name}: no setting has this name; did you .* {right}"):
        settings.Settings()


def test_predictions_go_where_files_can_be_written(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    assert settings.Settings().prediction_dir == str(state_dir / "predictions")
    name = f"{PREFIX}PREDICTION_LOCATION"
    for given, found in {"s3://b/out": "s3://b/out", "out": str(ROOT / "out")}.items():
        monkeypatch.setenv(name, given)
        assert settings.Settings().prediction_dir == found
    for given in ("https://host/out", "postgresql://host/db"):
        monkeypatch.setenv(name, given)
        with pytest.raises(ValueError, match=rf"^{name}: {given}: cannot be written to; give a"):
            settings.Settings()


def test_variables_of_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}XYZ", "of a program whose name begins alike")
    monkeypatch.setenv("DATA_LOCATION", "/elsewhere")
    assert settings.Settings().data_location == str(ROOT / "data")


def test_a_file_is_read_whatever_editor_wrote_it(env_file: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        env_file.write_text(f"{PREFIX}MIN_GAIN=0.1\n{PREFIX}DATA_LOCATION=Müll\n", encoding)
        found = settings.Settings()
        assert found.min_gain == 0.1
        assert found.data_location == str(ROOT / "Müll")


def test_a_misspelt_setting_in_the_file_is_named(env_file: Path) -> None:
    for name, hint in {"MIN_GIAN": f"did you mean {PREFIX}MIN_GAIN", "XYZ": ".env.example"}.items():
        env_file.write_text(f"PREFECT_API_URL=http://host/api\n{PREFIX}{name}=1\n", "utf-8-sig")
        with pytest.raises(ValueError, match=rf"^{PREFIX}{name}: no setting.*{hint}"):
            settings.Settings()


def test_paths_are_those_of_the_project_and_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for given, path in {"months": ROOT / "months", "~/months": tmp_path / "months"}.items():
        monkeypatch.setenv(f"{PREFIX}DATA_LOCATION", given)
        monkeypatch.setenv(f"{PREFIX}STATE_DIR", given)
        assert settings.Settings().data_location == str(path)
        assert settings.Settings().state_dir == path
    monkeypatch.setenv(f"{PREFIX}DATA_LOCATION", "s3://bucket/~/months")
    assert settings.Settings().data_location == "s3://bucket/~/months"
