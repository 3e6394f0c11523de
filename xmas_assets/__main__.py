"""``python -m xmas_assets`` is the ``xmas`` command."""

from xmas_assets.cli.app import main

main()
