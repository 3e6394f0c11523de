"""Make a manifest's subset again, to check it."""

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.data.samples import DIGEST_COLUMNS, dataset_digest
from xmas_assets.home.home import Home
from xmas_assets.selection.registry import METHODS, make_method
from xmas_assets.stages.subsets import make_subset


def verify(home: Home, manifest: Manifest) -> str:
    """Replay a manifest's selection on the dataset as it is now; returns what was checked, in words.

    Only the choice is made again, from the signals that are stored. Where those were stored is of no matter; but
    signals that were made on another processor differ in their last digits, and rows near the border may change.

    Raises:
        SelectionError: If the dataset has changed, the rows come out differently, or anything else that the manifest
            says (but for versions of libraries and of the method's package) is not so, or that package is missing. It
            says how many rows are the same, and what else differs.
    """
    digest = dataset_digest(home.stored("raw_dataset", manifest.dataset)["samples"].arrow(DIGEST_COLUMNS))
    if digest != manifest.dataset_digest:
        raise SelectionError(
            f"dataset {manifest.dataset!r} has changed since the selection (content {digest[:12]}, manifest "
            f"{manifest.dataset_digest[:12]}); verify on the dataset as it was, or select again"
        )
    other_version = _other_version(manifest)
    key = SelectionKey.make(manifest.method, manifest.budget, manifest.seed)
    again = make_subset(home, manifest.dataset, key, method=make_method(manifest.method, manifest.parameters))
    if again.manifest.sample_ids != manifest.sample_ids:
        n_common = len(set(again.manifest.sample_ids) & set(manifest.sample_ids))
        raise SelectionError(
            f"the selection comes out differently: {n_common} of {manifest.n_selected} rows "
            f"({n_common / manifest.n_selected:.1%}) are the same; {_what_differs(again.manifest, manifest)}"
        )
    fields = sorted(set(Manifest.model_fields) - {"library_versions", "method_package", "export"})
    other = [name for name in fields if getattr(again.manifest, name) != getattr(manifest, name)]
    if other:
        raise SelectionError(
            f"the same {manifest.n_selected} of {again.manifest.n_samples} rows come out, but the manifest has another "
            f"{', '.join(other)}; {_what_differs(again.manifest, manifest)}"
        )
    return (
        f"{manifest.n_selected} of {manifest.n_samples} rows of {manifest.dataset!r} come out the same{other_version}"
    )


def _other_version(manifest: Manifest) -> str:
    """How the installed version of the method's package differs from the manifest's, in brackets; "" if it does not.

    Raises:
        SelectionError: If that package is not installed, or cannot be used.
    """
    made, here = manifest.method_package, METHODS.package(manifest.method)
    if made is None or made == here:
        return ""
    if here is None or here.distribution != made.distribution:
        needed = f"method {manifest.method!r} of this manifest is of package {made.distribution} {made.version}"
        found = METHODS.problems().get(manifest.method, f"here it is of {here.distribution}" if here else "")
        raise SelectionError(f"{needed}, which is not installed{found and f' ({found})'}; install it and verify again")
    return f" ({made.distribution} {here.version} is installed, the manifest is of {made.version})"


def _what_differs(here: Manifest, stated: Manifest) -> str:
    """Which signals and libraries are not those of the manifest, and what to do."""
    made = [asset for asset, content in sorted(here.upstream.items()) if stated.upstream.get(asset) != content]
    versions_there = _versions(stated)
    libraries = [
        f"{name} {versions_there.get(name, 'unknown')} there, {version_here} here"
        for name, version_here in sorted(_versions(here).items())
        if versions_there.get(name) != version_here
    ]
    if not made:
        causes = libraries or [
            "signals and libraries are those of the manifest; it was edited, or is of other source files"
        ]
        return f"{'; '.join(causes)}: export it again"
    reasons = [f"{', '.join(made)} stored here have other content (another processor, library or setting made them)"]
    return f"{'; '.join(reasons + libraries)}: copy the home that made the manifest to replay it, or export it again"


def _versions(manifest: Manifest) -> dict[str, str]:
    """Versions of the libraries and of the package that the method is of, if it is not ours."""
    package = manifest.method_package
    return manifest.library_versions | ({package.distribution: package.version} if package else {})
