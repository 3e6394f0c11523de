"""How the assets hang together, as plain names: read once from their specs, without Dagster's own graph."""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

import dagster as dg

from xmas_assets.contracts.signals import AVAILABLE_SIGNALS
from xmas_assets.selection.registry import assets_read


@dataclass(frozen=True)
class AssetLinks:
    """The assets that runs make, and what each is made from.

    Attributes:
        parents: Direct inputs by asset, settings among them; in topological order, equal ones by name. What is made
            from the record of available signals has these as its inputs.
        recorded: The assets behind that record.
        code_versions: By asset.
        by_selection: Assets that have a partition per selection; the others have one per dataset.
        blocking_checks: Names of the checks, by asset, that must pass before anything is built on it.
    """

    parents: dict[str, tuple[str, ...]]
    recorded: tuple[str, ...]
    code_versions: dict[str, str | None]
    by_selection: frozenset[str]
    blocking_checks: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, defs: dg.Definitions) -> "AssetLinks":
        """Read them from definitions."""
        specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
        parents = {
            name: tuple(sorted(dep.asset_key.to_user_string() for dep in spec.deps)) for name, spec in specs.items()
        }
        recorded = parents.pop(AVAILABLE_SIGNALS)
        for name, above in parents.items():
            if AVAILABLE_SIGNALS in above:
                parents[name] = tuple(sorted({*above, *recorded} - {AVAILABLE_SIGNALS}))
        sorter = TopologicalSorter(parents)
        sorter.prepare()
        ordered: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            ordered += ready
            sorter.done(*ready)
        checks: dict[str, tuple[str, ...]] = {}
        for definition in defs.asset_checks or ():
            assert isinstance(definition, dg.AssetChecksDefinition)
            for spec in definition.check_specs:
                if spec.blocking:
                    asset = spec.asset_key.to_user_string()
                    checks[asset] = (*checks.get(asset, ()), spec.name)
        return cls(
            parents={name: parents[name] for name in ordered if not is_settings(name)},
            recorded=recorded,
            code_versions={name: spec.code_version for name, spec in specs.items()},
            by_selection=frozenset(
                name for name, spec in specs.items() if isinstance(spec.partitions_def, dg.MultiPartitionsDefinition)
            ),
            blocking_checks=checks,
        )

    def behind(self, assets: Iterable[str]) -> list[str]:
        """These assets and all that they are made from, but for settings, in topological order."""
        found: set[str] = set()
        waiting = set(assets)
        while waiting:
            found |= waiting
            waiting = {parent for asset in waiting for parent in self.parents.get(asset, ())} - found
        return [asset for asset in self.parents if asset in found]

    def read_first(self, methods: Iterable[str], *, trains: bool) -> set[str]:
        """The records, and the models that are read or trained: what is made before all else.

        Args:
            methods: Whose selections are made.
            trains: Whether targets are trained or asked.
        """
        assets = {*assets_read(methods), *(("target_base",) if trains else ())}
        return {"raw_dataset", "base_model", "target_base"} & set(self.behind(assets))


def is_settings(asset: str) -> bool:
    """Whether an asset stands for a section of a dataset's file, which no run makes."""
    return asset.startswith("settings/")
