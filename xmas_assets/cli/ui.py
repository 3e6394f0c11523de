"""``xmas ui``: the Dagster and MLflow UIs."""

from typing import Annotated

import typer

from xmas_assets.cli.options import open_home

app = typer.Typer()


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MLflow UI.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Allow an address that others can reach; they need a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name under which a proxy serves the UIs; may be given several times.")
    ] = None,
) -> None:
    """Open the Dagster UI and the MLflow UI on this home; Ctrl-C ends both.

    Example: xmas ui --port 3001
    """
    from xmas_assets.web.serving import serve

    serve(
        open_home(),
        host=host,
        port=port,
        mlflow_port=mlflow_port,
        allow_remote=allow_remote,
        allowed_hosts=allow_host or [],
    )
