"""Base models other than the shipped one, built by its own recipe, once for a home."""

from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home

BASES = {"study:small": {"width": 48, "n_layers": 2}, "study:other": {"seed": 1}}
"""What of the recipe differs, by the name that an experiment's settings give the base: a smaller language model, and
the shipped size from another seed."""


def base_directory(source: str, home: Home) -> str:
    """Where a base model is; one of ``BASES`` is built if it is not there (minutes), another name is left as it is."""
    if source not in BASES:
        return source
    directory = home.path("bases") / source.removeprefix("study:")
    if not directory.exists():
        from xmas_assets.toy.train import build_base

        with replacing(directory) as unfinished:
            unfinished.mkdir()
            score = build_base(unfinished, **BASES[source])
        print(f"{source}: {score:.3f} of the terse questions answered rightly", flush=True)
    return str(directory)
