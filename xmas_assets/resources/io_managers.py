"""The IO manager: an asset's tables as Parquet files below ``XMAS_HOME/tables/<asset>/<partition>/``."""

from typing import Any

import dagster as dg

from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables


class TablesIOManager(dg.ConfigurableIOManager):
    """Puts staged tables in their place, whole or not at all, and loads handles that read columns on demand."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: StoredTables) -> None:
        """Replace the partition's tables by the staged ones, let other runs at them, and describe them."""
        asset = context.asset_key.to_user_string()
        self.home.locks.check(asset, context.partition_key)
        stored = self.home.put(asset, context.partition_key, obj)
        self.home.locks.release(asset, context.partition_key)
        context.add_output_metadata(_describe(stored))

    def load_input(self, context: dg.InputContext) -> StoredTables | dict[str, StoredTables]:
        """One partition's tables; seen from a coarser asset, those of all partitions that exist, by partition key."""
        asset = context.asset_key.to_user_string()
        if isinstance(context.asset_partitions_def, dg.MultiPartitionsDefinition) and "|" not in context.partition_key:
            keys = [key for key in sorted(context.asset_partition_keys) if self.home.is_stored(asset, key)]
            return {key: self.home.stored(asset, key) for key in keys}
        return self.home.stored(asset, context.asset_partition_key)


def _describe(tables: StoredTables) -> dict[str, Any]:
    rows = {f"rows in {name}": table.n_rows for name, table in tables.items()}
    schemas = {
        f"columns of {name}": dg.TableSchema([dg.TableColumn(field.name, str(field.type)) for field in table.schema])
        for name, table in tables.items()
    }
    return {"path": dg.MetadataValue.path(str(tables.directory)), **rows, **schemas}
