"""Make a manifest's subset again, to check it."""

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.home.home import Home
from xmas_assets.home.records import content_digest
from xmas_assets.selection.registry import METHODS, make_method
from xmas_assets.stages.contamination import excluded_rows
from xmas_assets.stages.subsets import make_subset

_MAY_DIFFER = {"library_versions", "method_package", "export"}
_MADE_HERE = {"upstream", "proxy_base", "proxy_checkpoints"}  # they differ where the signals were made again
_EDITED = "the manifest was edited, or is of other source files: export it again"


def verify(home: Home, manifest: Manifest) -> str:
    """Replay a manifest's selection on the dataset as it is now.

    Only the choice is made again, from the signals that are stored. Where those were stored is of no matter; but
    signals that were made on another processor differ in their last digits, and rows near the border may change.

    Returns:
        What was checked, in words. If the same rows come from other signals, or with other versions of libraries or of
        the method's package, it says which.

    Raises:
        SelectionError: If the dataset has changed, the rows come out differently, the package that the method is of is
            missing, or the manifest says anything else that is not so. It says how many rows are the same, and what
            else differs.
    """
    digest = content_digest(home.stored("raw_dataset", manifest.dataset))
    if digest != manifest.dataset_digest:
        raise SelectionError(
            f"dataset {manifest.dataset!r} has changed since the selection (content {digest[:12]}, manifest "
            f"{manifest.dataset_digest[:12]}); verify on the dataset as it was, or select again"
        )
    _check_package(manifest)
    key = SelectionKey.make(manifest.method, manifest.budget, manifest.seed)
    method = make_method(manifest.method, manifest.parameters)
    excluded = excluded_rows(home, manifest.dataset, tuple(manifest.excluded.items) if manifest.excluded else ())
    here = make_subset(home, manifest.dataset, key, method=method, excluded=excluded, grown=manifest.grown).manifest
    differences = "; ".join(_differences(here, manifest))
    if here.sample_ids != manifest.sample_ids:
        n_common = len(set(here.sample_ids) & set(manifest.sample_ids))
        is_stored = here.upstream != manifest.upstream or _other_items(here, manifest)
        elsewhere = "copy the home that made the manifest" if is_stored else "install those"
        raise SelectionError(
            f"the selection comes out differently: {n_common} of {manifest.n_selected} rows "
            f"({n_common / manifest.n_selected:.1%}) are the same; "
            + (f"{differences}: {elsewhere} to replay it, or export it again" if differences else _EDITED)
        )
    if untrue := _untrue_fields(here, manifest):
        raise SelectionError(
            f"the same {manifest.n_selected} of {here.n_samples} rows come out, but with another {', '.join(untrue)}; "
            f"{_EDITED}"
        )
    same = f"{manifest.n_selected} of {manifest.n_samples} rows of {manifest.dataset!r} come out the same"
    same += f", {manifest.n_excluded} contaminated ones left out" if manifest.excluded else ""
    return f"{same}; not as in the manifest: {differences}" if differences else same


def _check_package(manifest: Manifest) -> None:
    """Refuse a manifest of a method whose package is not installed, or cannot be used."""
    made, here = manifest.method_package, METHODS.package(manifest.method)
    if made is not None and (here is None or here.distribution != made.distribution):
        needed = f"method {manifest.method!r} of this manifest is of package {made.distribution} {made.version}"
        found = METHODS.problems().get(manifest.method, f"here it is of {here.distribution}" if here else "")
        raise SelectionError(f"{needed}, which is not installed{found and f' ({found})'}; install it and verify again")


def _untrue_fields(here: Manifest, stated: Manifest) -> list[str]:
    """The fields that signals made again cannot explain, sorted: a person changed them."""
    # A manifest of an earlier version may name signals that the method read then and reads no more.
    made_again = here.upstream != stated.upstream and here.upstream.keys() <= stated.upstream.keys()
    fields = set(Manifest.model_fields) - _MAY_DIFFER - (_MADE_HERE if made_again else set())
    fields -= {"excluded"} if _other_items(here, stated) else set()
    return sorted(name for name in fields if getattr(here, name) != getattr(stated, name))


def _differences(here: Manifest, stated: Manifest) -> list[str]:
    """Which signals and libraries are not those of the manifest."""
    made = [asset for asset, content in sorted(here.upstream.items()) if stated.upstream.get(asset) != content]
    there = _versions(stated)
    libraries = [
        f"{name} {there.get(name, 'unknown')} there, {version} here"
        for name, version in sorted(_versions(here).items())
        if there.get(name) != version
    ]
    unread = sorted(stated.upstream.keys() - here.upstream.keys())
    other = f"{', '.join(made)} stored here have other content (another processor, library or setting made them)"
    gone = f"{', '.join(unread)} are not read here"
    items = [f"{name} has other items here" for name in _other_items(here, stated)]
    return [*([other] if made else []), *([gone] if unread else []), *items, *libraries]


def _other_items(here: Manifest, stated: Manifest) -> list[str]:
    """What rows were compared with, where its content is not that of the manifest."""
    there = stated.excluded.items if stated.excluded else {}
    return [name for name, content in (here.excluded.items if here.excluded else {}).items() if there[name] != content]


def _versions(manifest: Manifest) -> dict[str, str]:
    """Versions of the libraries and of the package that the method is of, if it is not ours."""
    package = manifest.method_package
    return manifest.library_versions | ({package.distribution: package.version} if package else {})
