"""Which libraries decide a result. Their versions are part of the name of stored work, and are in manifests."""

from importlib.metadata import version

# Not here: libraries that only move values (polars, pyarrow), and xmas-assets itself, whose releases mostly change
# nothing that was computed. Code that does raises the `_VERSION` at the key, so that a release keeps people's work.
CHOOSING = ("numpy", "scipy", "scikit-learn", "faiss-cpu")
"""They compute the choice from signals."""

READING = ("torch", "transformers", "peft")
"""They run the models that signals are read from."""

SEEING = ("torch", "transformers", "pillow")
"""They make features of images."""


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each library."""
    return {name: version(name) for name in names}
