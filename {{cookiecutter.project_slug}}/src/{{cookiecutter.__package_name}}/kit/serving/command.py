"""The command `serve`."""

from ..locations import check_port
from ..project import PROJECT
from ..records import Count


def serve(host: str = "127.0.0.1", port: int = 8000, workers: Count = 1) -> None:
    """Serve the champion's predictions until Ctrl-C; a new champion is taken within a minute.

    Args:
        host: Address to listen on; the default lets only this machine in.
        port: Port to listen on.
        workers: Processes that answer, each with the model in its memory.
    """
    import uvicorn

    from .. import registry

    champion = registry.the_champion()
    check_port(host, port, "serve", "choose another one with --port")
    url = f"http://{host}:{port}"
    where = f"POST {url}/predict or /invocations, GET {url}/docs, /version, /health"
    print(f"Version {champion.version} of {PROJECT}: {where}", flush=True)
    uvicorn.run(
        f"{__package__}.app:make_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
    )
