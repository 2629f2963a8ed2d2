"""Draw what depended on what in a flow run, as a picture: no browser, no display.

Watch: flow-graph.svg in this folder has a box for each task and subflow of the newest flow run,
those that failed in red, and an arrow for each result that was handed on. Run `uv run poe train`
first to see that of the training. The picture needs Graphviz's program `dot`.

Run:   uv run poe example graph [name of a flow run]
Takes: about 4 seconds.
"""

import sys
from pathlib import Path

import graphviz  # type: ignore[import-untyped]
from prefect import get_client
from prefect.client.schemas import filters
from prefect.client.schemas.sorting import FlowRunSort

COLOURS = {"COMPLETED": "palegreen", "FAILED": "salmon", "CRASHED": "salmon"}
PICTURE = Path("flow-graph.svg")


def draw(name: str = "") -> graphviz.Digraph:
    """Draw the graph of a flow run, by default the newest; LookupError if there is none."""
    wanted = filters.FlowRunFilter(
        parent_task_run_id=filters.FlowRunFilterParentTaskRunId(is_null_=True),
        start_time=filters.FlowRunFilterStartTime(is_null_=False),
        name=filters.FlowRunFilterName(any_=[name]) if name else None,
    )
    with get_client(sync_client=True) as client:
        newest = FlowRunSort.START_TIME_DESC
        found = client.read_flow_runs(flow_run_filter=wanted, sort=newest, limit=1)
        if not found:
            raise LookupError(f"no flow run {name} is there to draw; start one, or check its name")
        path = {"id": found[0].id}
        answer = client.request("GET", "/flow_runs/{id}/graph-v2", path_params=path)
    graph = graphviz.Digraph(found[0].name, node_attr={"shape": "box", "style": "filled"})
    for key, node in answer.json()["nodes"]:
        graph.node(key, node["label"], fillcolor=COLOURS.get(node["state_type"], "white"))
        for parent in sorted({parent["id"] for parent in node["parents"]}):
            graph.edge(parent, key)
    return graph


if __name__ == "__main__":
    try:
        PICTURE.write_bytes(draw(*sys.argv[1:2]).pipe("svg"))
    except LookupError as error:
        sys.exit(f"error: {error}")
    except graphviz.ExecutableNotFound:
        sys.exit("error: no picture without Graphviz: install it (apt or brew install graphviz)")
    print(f"{PICTURE} is drawn")
