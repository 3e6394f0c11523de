"""The IO manager: an asset's tables as Parquet files below ``XMAS_HOME/tables/<asset>/<partition>/``."""

from typing import Any

import dagster as dg

from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.store.tables import move_tables


class TablesIOManager(dg.ConfigurableIOManager):
    """Puts staged tables in their place, whole or not at all, and loads handles that read columns on demand."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: StoredTables) -> None:
        """Replace the partition's tables by the staged ones, let other runs at them, and describe them."""
        asset = context.asset_key.to_user_string()
        directory = self.home.table_directory(asset, context.partition_key)
        move_tables(obj.directory, directory)
        self.home.locks.release(asset, context.partition_key)
        context.add_output_metadata(_describe(StoredTables(directory)))

    def load_input(self, context: dg.InputContext) -> StoredTables | dict[str, StoredTables]:
        """One partition's tables; seen from a coarser asset, those of all partitions that exist, by partition key."""
        asset = context.asset_key.to_user_string()
        directories = {key: self.home.table_directory(asset, key) for key in sorted(context.asset_partition_keys)}
        if isinstance(context.asset_partitions_def, dg.MultiPartitionsDefinition) and "|" not in context.partition_key:
            return {key: StoredTables(directory) for key, directory in directories.items() if directory.exists()}
        return StoredTables(directories[context.asset_partition_key])


def _describe(tables: StoredTables) -> dict[str, Any]:
    rows = {f"rows in {name}": table.n_rows for name, table in tables.items()}
    schemas = {
        f"columns of {name}": dg.TableSchema([dg.TableColumn(field.name, str(field.type)) for field in table.schema])
        for name, table in tables.items()
    }
    return {"path": dg.MetadataValue.path(str(tables.directory)), **rows, **schemas}
