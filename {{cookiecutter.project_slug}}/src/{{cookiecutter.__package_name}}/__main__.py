"""Train, score, monitor, serve: the flows and commands of this project."""

from cyclopts import App

from .kit.commands import run

app = App(name="uv run poe", help=__doc__, version_flags=[])
app.command(f"{__package__}.flows:train")
app.command(f"{__package__}.flows:score")
app.command(f"{__package__}.flows:monitor")
app.command(f"{__package__}.flows:retrain")
app.command(f"{__package__}.flows:tune")
app.command(f"{__package__}.kit.promotions:promote_by_hand", name="promote")
app.command(f"{__package__}.kit.status:status")
app.command(f"{__package__}.kit.status:history")
app.command(f"{__package__}.kit.cleaning:clean")
app.command(f"{__package__}.kit.transfer:export")
app.command(f"{__package__}.kit.transfer:import_version", name="import")
app.command(f"{__package__}.kit.serving.command:serve")
app.command(f"{__package__}.kit.deployment:deploy")
app.command(f"{__package__}.kit.deployment:worker")
app.command(f"{__package__}.kit.automations:automations")
app.command(f"{__package__}.kit.platform:up")
app.command(f"{__package__}.kit.platform:work", show=False)
app.command(f"{__package__}.kit.split_files:split")
app.command(f"{__package__}.kit.upgrade:upgrade")

if __name__ == "__main__":
    run(app)
