"""What of the stored assets is up to date: Dagster's judgement, and the three things that it does not look at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

# What the UI shows as "stale" and what the CLI runs must be the same, so this uses the resolver behind the UI's badge.
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCause, StaleStatus
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.home.home import Home
from xmas_assets.selection.registry import METHODS, assets_read

_DONE = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class Freshness:
    """Looks at the instance and at the disk as they are when it is made; make a new one after a run.

    Beyond Dagster's own judgement, an asset whose tables are not on the disk is missing, and one whose blocking checks
    did not all pass on its latest materialization is stale: they failed, or the run was killed before them. A selection
    is not stale for a signal that its method does not read (the UI, which cannot know, shows it as "unsynced": to run
    it there again costs only the choice, and changes nothing).
    """

    instance: dg.DagsterInstance
    graph: AssetGraph
    home: Home

    def states(self, assets: Iterable[str], partitions: Iterable[str]) -> dict[str, dict[str, str]]:
        """FRESH, STALE or MISSING by asset, in topological order, and by partition."""
        resolver = CachingStaleStatusResolver(self.instance, self.graph, LoadingContextForTest(self.instance))
        wanted, partitions = set(assets), list(partitions)
        return {
            key.to_user_string(): {partition: self._state(resolver, key, partition) for partition in partitions}
            for key in self.graph.toposorted_asset_keys
            if key.to_user_string() in wanted
        }

    def stale(self, assets: Iterable[str], partition: str) -> list[str]:
        """Those of ``assets`` that are stale or missing, and those of them that follow, in topological order."""
        found: list[str] = []
        for asset, states in self.states(assets, [partition]).items():
            before = {key.to_user_string() for key in self.graph.get_ancestor_asset_keys(dg.AssetKey(asset))}
            if states[partition] != StaleStatus.FRESH.name or before.intersection(found):
                found.append(asset)
        return found

    def counts(self, dataset: str) -> dict[str, Counter[str]]:
        """Per asset, how many of a dataset's partitions are FRESH, STALE or MISSING; selections that were made only."""
        made = self.instance.get_materialized_partitions(dg.AssetKey("selected_subset"))
        selections = sorted(partition for partition in made if partition.startswith(f"{dataset}|"))
        counts: dict[str, Counter[str]] = {}
        for key in self.graph.toposorted_asset_keys:
            node = self.graph.get(key)
            if not node.is_external:
                by_selection = isinstance(node.partitions_def, dg.MultiPartitionsDefinition)
                states = self.states([key.to_user_string()], selections if by_selection else [dataset])
                counts |= {asset: Counter(partitions.values()) for asset, partitions in states.items()}
        return counts

    def _state(self, resolver: CachingStaleStatusResolver, key: dg.AssetKey, partition: str) -> str:
        if not self.home.is_stored(key.to_user_string(), partition):
            return StaleStatus.MISSING.name
        state = resolver.get_status(key, partition)
        if state == StaleStatus.STALE and not self._concerns(resolver.get_stale_causes(key, partition), partition):
            state = StaleStatus.FRESH
        if state == StaleStatus.FRESH and not self._has_passed(key, partition):
            return StaleStatus.STALE.name
        return state.name

    def _concerns(self, causes: Sequence[StaleCause], partition: str) -> bool:
        """Whether any of the causes is one for this partition: a selection cares for what its method reads only."""
        if "|" not in partition:
            return True
        _, selection = parse_partition(partition)
        if selection.method not in METHODS:
            return True
        unread = {dg.AssetKey(asset) for asset in assets_read(METHODS) - assets_read([selection.method])}
        return any(cause.dependency is None or cause.dependency.asset_key not in unread for cause in causes)

    def _has_passed(self, key: dg.AssetKey, partition: str) -> bool:
        """Whether every blocking check passed on the latest materialization."""
        made = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        latest = self.instance.fetch_materializations(made, limit=1).records[0].storage_id
        checks = [check for check in self.graph.get_check_keys_for_assets({key}) if self.graph.get(check).blocking]
        return all(self._passed_on(check, partition) == latest for check in checks)

    def _passed_on(self, check: dg.AssetCheckKey, partition: str) -> int | None:
        """Storage id of the materialization that a check's last completed evaluation passed on, if it passed."""
        history = self.instance.event_log_storage.get_asset_check_execution_history(
            check, limit=1, status=_DONE, partition_filter=PartitionKeyFilter(key=partition)
        )
        for record in history:
            assert record.event is not None and record.event.dagster_event is not None
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            if evaluation.passed and evaluation.target_materialization_data is not None:
                return evaluation.target_materialization_data.storage_id
        return None
