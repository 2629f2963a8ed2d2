"""The README's pictures, of a real training: `uv run python -m tests.pictures` makes them again."""

import argparse
import html
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, sync_playwright

from .conftest import TEMPLATE, BakedProject
from .lab import PrefectServer, answers, free_port, process, server_process, wait_until

AD_HOC, MONTHLY = (f"taxi-duration-train/{name}" for name in ("ad-hoc", "monthly"))

# Of a picture: pixels across, and enough colours for text and plots.
WIDTH, COLOURS = 1200, 256
# Points across that a page's own part gets of the window, and the pixels of a point.
ROOM, SCALE = 940, 1.28
# Points across of what stands left of it.
PREFECT_MENU, MLFLOW_MENU = 256, 198
# Points of height that may stand above what a picture shows, and those of them in it.
ABOVE, EDGE = 300, 12
# Milliseconds that a page may take to draw what it has.
SETTLES = 2_000
# A second project on the same servers: it says which trips take long.
SECOND = "long-trips"
EDITS = {
    "data.py": [
        ('TARGET = "duration"', 'TARGET = "is_long"'),
        ("assign(duration=minutes)", "assign(is_long=minutes > 15)"),
    ],
    "model.py": [
        ("problems import Regression", "classification import Classification"),
        ('Regression(unit="minutes")', "Classification(classes=(False, True))"),
        ("XGBRegressor", "XGBClassifier"),
    ],
}
# What the pages remember of a user: light colours, and no assistant.
QUIET = {
    "color-scheme": '"light"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}


@dataclass
class Stage:
    """A platform at work, and the id of the flow run to show."""

    project: BakedProject
    env: dict[str, str]
    prefect: PrefectServer
    mlflow: str
    flow_run: str = ""

    @property
    def pages(self) -> str:
        return self.prefect.url.removesuffix("/api")

    def artifact(self, key: str) -> Any:
        return self.prefect.artifact(self.flow_run, key)

    @property
    def report(self) -> str:
        return f"{self.pages}/artifacts/artifact/{self.artifact('taxi-duration-training')['id']}"

    @cached_property
    def second(self) -> tuple[BakedProject, dict[str, str]]:
        """The second project, deployed, and the environment of its commands."""
        made = cookiecutter(
            str(TEMPLATE),
            no_input=True,
            accept_hooks=False,
            output_dir=str(self.project.home.parent),
            extra_context={"project_name": SECOND},
        )
        project = BakedProject(Path(made), self.project.home)
        for name, edits in EDITS.items():
            path = project.path / "src" / project.package / name
            for old, new in edits:
                assert old in path.read_text()
                path.write_text(path.read_text().replace(old, new))
        env = self.env | {"UV_PROJECT_ENVIRONMENT": str(project.path / ".venv")}
        for command in (("sync", "--quiet", "--python", sys.executable), ("run", "poe", "deploy")):
            subprocess.run(("uv", *command), cwd=project.path, env=env, check=True)
        return project, env

    @contextmanager
    def both_at_work(self) -> Iterator[None]:
        """Run the worker of the second project too."""
        project, env = self.second
        command = ("uv", "run", "poe", "worker")
        with process(*command, cwd=project.path, env=env, log=project.path / "worker.log"):
            yield

    @property
    def form(self) -> str:
        found = self.prefect.get(f"deployments/name/{AD_HOC}")
        return f"{self.pages}/deployments/deployment/{found['id']}/run"


@contextmanager
def stage(project: BakedProject, folder: Path) -> Iterator[Stage]:
    """Run `poe up` with its state in a folder, and wait until it is healthy."""
    mlflow, prefect = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    home = BakedProject(project.path, folder / "home", project.venv)
    env = home.environment(
        PREFECT_API_URL=f"{prefect}/api",
        MLFLOW_TRACKING_URI=mlflow,
        PREFECT_WORKER_QUERY_SECONDS="1",
        **{f"{project.package.upper()}_STATE_DIR": str(folder / "state")},
    )
    log = folder / "up.log"
    with server_process(
        *("uv", "run", "poe", "up"),
        is_ready=lambda: "Everything is healthy" in log.read_text(),
        cwd=project.path,
        env=env,
        log=log,
    ):
        yield Stage(home, env, PrefectServer(f"{prefect}/api"), mlflow)


@contextmanager
def browser() -> Iterator[Page]:
    """Open a page of the system's Chromium: nothing is downloaded."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = chromium.new_page(
            device_scale_factor=SCALE, locale="en-GB", timezone_id="UTC", color_scheme="light"
        )
        page.set_default_timeout(60_000)
        for key, value in QUIET.items():
            page.add_init_script(f"localStorage.setItem({key!r}, {value!r})")
        yield page
        chromium.close()


def flow_run(page: Page, stage: Stage) -> Locator:
    page.goto(f"{stage.pages}/runs/flow-run/{stage.flow_run}")
    page.get_by_text("Completed").first.wait_for()
    return page.locator(PREFECT)


def report(page: Page, stage: Stage) -> Locator:
    page.goto(stage.report)
    page.locator("table").last.wait_for()
    return page.locator(".artifact-data-markdown")


def report_of_classes(page: Page, stage: Stage) -> Locator:
    with stage.both_at_work():
        training = stage.prefect.start(f"{SECOND}-train/ad-hoc")
        stage.prefect.wait_for(training)
    found = stage.prefect.artifact(training, f"{SECOND}-training")["id"]
    page.goto(f"{stage.pages}/artifacts/artifact/{found}")
    page.locator("table").last.wait_for()
    return page.locator(".artifact-data-markdown")


def deployments(page: Page, stage: Stage) -> Locator:
    """Show those of two projects, whose workers are both at work."""

    def all_ready() -> bool:
        page.goto(f"{stage.pages}/deployments")
        page.get_by_text(f"{SECOND}-score").wait_for()
        return not page.get_by_text("Not Ready").count()

    with stage.both_at_work():
        wait_until(all_ready, "two workers")
    return page.locator(PREFECT)


def form(page: Page, stage: Stage) -> Locator:
    page.goto(stage.form)
    page.get_by_text("Learning Rate").wait_for()
    return page.locator(PREFECT)


def mlflow_run(page: Page, stage: Stage) -> Locator:
    link = stage.artifact("taxi-duration-mlflow-run")["data"]
    page.goto(link.partition("(")[2].rstrip(")"))
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("plots").click()
    page.get_by_text("actual_vs_predicted.png").click()
    page.locator("main img").first.wait_for()
    return page.locator("main")


def model(page: Page, stage: Stage) -> Locator:
    page.goto(f"{stage.mlflow}/#/models/taxi-duration")
    page.get_by_text("champion").first.wait_for()
    page.get_by_role("button", name="Tags").first.click()
    return page.locator("main")


def drift(page: Page, stage: Stage) -> Locator:
    """Have the worker monitor two months, and show what MLflow draws of them."""
    months = sorted((stage.project.path / "data").glob("*.parquet"))[-2:]
    for month in months:
        found = stage.prefect.start("taxi-duration-monitor/daily", path=str(month))
        stage.prefect.wait_for(found)
    link = stage.artifact("taxi-duration-mlflow-run")["data"]
    page.goto(f"{link.partition('(')[2].rstrip(')')}/model-metrics")
    page.reload()  # it may remember the run as it was before
    page.get_by_placeholder("Search metric").fill("monitor/")
    page.locator(".main-svg").locator("visible=true").first.wait_for()
    return page.locator("main")


def docs(page: Page, stage: Stage) -> Locator:
    """Show the endpoint's own page, and try the row that it proposes."""
    url, log = f"http://127.0.0.1:{free_port()}", stage.project.home / "serve.log"
    command = ("uv", "run", "poe", "serve", "--port", url.rpartition(":")[2])
    healthy = partial(answers, f"{url}/health")
    with server_process(*command, is_ready=healthy, cwd=stage.project.path, env=stage.env, log=log):
        page.goto(f"{url}/docs")
        page.get_by_role("button", name="POST /predict").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.get_by_text("x-model-version").first.wait_for()
    answer = page.locator(".responses-wrapper")
    answer.evaluate("element => element.scrollIntoView()")
    return answer


def status(page: Page, stage: Stage) -> Locator:
    """Show what the command prints, as a terminal does."""
    told = subprocess.run(
        ["uv", "run", "poe", "--quiet", "status"],
        cwd=stage.project.path,
        env=stage.env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = "\n".join(["$ uv run poe status", *told.strip().splitlines()])
    page.set_content(f"<pre style='white-space: pre-wrap'>{html.escape(lines)}</pre>")
    return page.locator("pre")


PREFECT = ".app-router-view__view"
# How to get to what a picture shows, and how much of the page's height from there.
PICTURES: dict[str, tuple[Callable[[Page, Stage], Locator], int]] = {
    "flow-run": (flow_run, 500),
    "report": (report, 644),
    "report-of-classes": (report_of_classes, 644),
    "deployments": (deployments, 760),
    "form": (form, 760),
    "mlflow-run": (mlflow_run, 775),
    "model": (model, 470),
    "drift": (drift, 600),
    "docs": (docs, 640),
    "status": (status, 380),
}
# What stands left of the page's own part.
MENUS = dict.fromkeys(("mlflow-run", "model", "drift"), MLFLOW_MENU)
MENUS |= {"docs": 0, "status": 0}


def take(page: Page, stage: Stage, name: str, folder: Path) -> Path:
    """Take a picture of a page's own part, without its menu, and return its path."""
    visit, height = PICTURES[name]
    menu = MENUS.get(name, PREFECT_MENU)
    page.set_viewport_size({"width": ROOM + menu, "height": height + ABOVE})
    box = visit(page, stage).bounding_box()
    assert box
    page.wait_for_timeout(SETTLES)
    clip: FloatRect = {"x": menu, "y": max(box["y"] - EDGE, 0), "width": ROOM, "height": height}
    image = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    path = folder / f"{name}.png"
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=TEMPLATE / "docs/pictures")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = cookiecutter(str(TEMPLATE), no_input=True, accept_hooks=False, output_dir=scratch)
        project = BakedProject(Path(made), Path(scratch, "home"))
        project.run("uv", "sync", "--quiet", "--python", sys.executable)
        with stage(project, Path(scratch)) as platform, browser() as page:
            platform.flow_run = platform.prefect.start(MONTHLY)
            platform.prefect.wait_for(platform.flow_run)
            for name in PICTURES:
                print(take(page, platform, name, folder))


if __name__ == "__main__":
    main()
