"""The ``xmas`` command, also as ``python -m xmas_assets``. It can be stopped from its first import on."""

from xmas_assets.orchestration.stopping import stoppable


def main() -> None:
    """Run the command."""
    with stoppable():
        from xmas_assets.cli.app import main as command

        command()


if __name__ == "__main__":
    main()
