"""What people see, in a real browser: the pages of a training, and a flow run by clicking."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from . import pictures
from .conftest import TEMPLATE, BakedProject
from .lab import processes_with, wait_until
from .pictures import PICTURES, Stage, browser, stage, take

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium"),
]
GREEN = (40, 160, 80)


@pytest.fixture(scope="module")
def platform(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with stage(project, folder) as platform:
        yield platform
    with suppress(AssertionError):  # that says less than the next line
        wait_until(lambda: not processes_with(str(folder)), "an end of poe up", 60)
    assert not processes_with(str(folder))


@pytest.fixture(scope="module")
def page(platform: Stage) -> Iterator[Page]:
    """Open a browser, and start an ad-hoc training in it by clicking."""
    with browser() as page:
        trees = {"Trees,_at_most": "20"}
        platform.flow_run = start_by_clicking(page, platform, "ad-hoc", "of-mine", **trees)
        platform.prefect.wait_for(platform.flow_run)
        yield page


def start_by_clicking(page: Page, platform: Stage, deployment: str, run: str, **fields: str) -> str:
    """Fill in the form, submit it, and return the id of the flow run of this name."""
    page.goto(f"{platform.pages}/deployments")
    # Another project may have a deployment of this name.
    flow = {"by-hand": "promote", "ad-hoc": "train"}[deployment]
    found = platform.prefect.get(f"deployments/name/taxi-duration-{flow}/{deployment}")["id"]
    page.locator(f"a[href$='{found}']").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.locator(".p-label", has_text="Run Name").locator("input").fill(run)
    for label, value in fields.items():
        field = page.locator(".p-label", has_text=label.replace("_", " ")).last
        field.locator("input, textarea").fill(value)

    def submitted() -> bool:
        # A server whose SQLite file is busy says so: then a person clicks again.
        if is_form(page.url):
            page.get_by_role("button", name="Submit").click()
            page.wait_for_timeout(2_000)
        return not is_form(page.url)

    wait_until(submitted, "a flow run")
    wanted = {"name": {"any_": [run]}}
    [found] = platform.prefect.post("flow_runs/filter", flow_runs=wanted)
    return str(found["id"])


def is_form(url: str) -> bool:
    return url.partition("?")[0].endswith("/run")


def test_an_ad_hoc_run_by_clicking_is_completed(platform: Stage, page: Page) -> None:
    pictures.flow_run(page, platform)
    expect(page.get_by_text("Completed").first).to_be_visible()
    flow_run = platform.prefect.get(f"flow_runs/{platform.flow_run}")
    assert flow_run["state"]["type"] == "COMPLETED"
    assert flow_run["name"] == "of-mine"
    assert flow_run["parameters"]["params"]["max_rounds"] == 20


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_taken(platform: Stage, page: Page, tmp_path: Path, name: str) -> None:
    path = take(page, platform, name, tmp_path)
    new, kept = Image.open(path), Image.open(TEMPLATE / f"docs/pictures/{name}.png")
    for picture in (new, kept):
        assert picture.width == pictures.WIDTH
        assert len(colours(picture)) > 30  # text, and no empty page
    assert path.stat().st_size < 200_000
    assert abs(new.height - kept.height) <= 1
    if name == "flow-run":
        assert_bars(new)
        assert_bars(kept)


def colours(picture: Image.Image) -> dict[tuple[int, int, int], int]:
    """Count the pixels of each colour."""
    found = picture.convert("RGB").getcolors(picture.width * picture.height)
    return {rgb: number for number, rgb in found or [] if isinstance(rgb, tuple)}  # type: ignore[misc]


def assert_bars(picture: Image.Image) -> None:
    """Assert that the task runs' green bars are drawn."""
    near = [
        number
        for rgb, number in colours(picture).items()
        if max(abs(a - b) for a, b in zip(rgb, GREEN, strict=True)) < 40
    ]
    assert sum(near) > 5_000


def test_the_report_is_a_table_with_numbers(platform: Stage, page: Page) -> None:
    pictures.report(page, platform)
    scores, months = page.locator("table").nth(0), page.locator("table").nth(1)
    rows = scores.locator("tbody tr")
    expect(rows).to_have_count(2)
    for row in rows.all():
        cells = row.locator("td").all_inner_texts()
        assert all(float(cell) >= 0 for cell in cells[1:])
    challenger, baseline = (float(row.locator("td").nth(1).inner_text()) for row in rows.all())
    assert challenger < baseline
    expect(months.locator("tbody tr")).to_have_count(3)
    expect(page.locator(pictures.PREFECT)).not_to_contain_text("|")


def test_the_form_describes_every_parameter(platform: Stage, page: Page) -> None:
    pictures.form(page, platform)
    deployment = platform.prefect.get(f"deployments/name/{pictures.AD_HOC}")
    schema = deployment["parameter_openapi_schema"]
    models = [schema, *schema["definitions"].values()]
    fields = [field for model in models for field in model["properties"].values()]
    assert len(fields) > 10
    for field in fields:
        # The form renders markdown.
        description = field["description"].replace("`", "")
        assert description
        expect(page.locator("article", has_text=description).first).to_be_visible()


def test_a_person_approves_a_model_and_takes_it_back_by_clicking(
    platform: Stage, page: Page
) -> None:
    waits = platform.prefect.start(pictures.AD_HOC, auto_promote=False, params={"max_rounds": 5})
    platform.prefect.wait_for(waits)
    assert champion(platform) == "1"
    for version, reason in (("2", "shorter"), ("1", "shorter was worse")):
        told = {"Version": version, "Reason": reason, "By": "Grace"}
        promoted = start_by_clicking(page, platform, "by-hand", f"to-{version}", **told)
        platform.prefect.wait_for(promoted)
        assert champion(platform) == version
        [*_, last] = json.loads(
            platform.prefect.artifact(promoted, "taxi-duration-promotions")["data"]
        )
        assert [last[name] for name in ("version", "reason", "by")] == [
            int(version),
            reason,
            "Grace",
        ]


def champion(platform: Stage) -> str:
    """Return the version that MLflow's alias names."""
    address = f"{platform.mlflow}/api/2.0/mlflow/registered-models/alias"
    with urlopen(f"{address}?name=taxi-duration&alias=champion") as answer:
        return str(json.load(answer)["model_version"]["version"])
