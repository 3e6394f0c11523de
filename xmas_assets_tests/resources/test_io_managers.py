"""The IO manager between small assets: paths, what a person sees, and who may come next."""

import dagster as dg
import polars as pl
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.resources.io_managers import TablesIOManager
from xmas_assets.resources.outputs import emit

DATASETS = dg.StaticPartitionsDefinition(["a", "b"])
SELECTIONS = dg.MultiPartitionsDefinition({"dataset": DATASETS, "selection": dg.StaticPartitionsDefinition(["s", "t"])})


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path)


def assets_of(home: Home, seen: dict):
    @dg.asset(partitions_def=DATASETS)
    def numbers(context: dg.AssetExecutionContext) -> dg.Output:
        with home.stage("numbers", context.partition_key, "k") as workspace:
            return emit(home, stage(workspace, {"n": pl.DataFrame({"x": [1, 2, 3]})}), {})

    @dg.asset(partitions_def=SELECTIONS)
    def parts(context: dg.AssetExecutionContext, numbers: StoredTables) -> dg.Output:
        with home.stage("parts", context.partition_key, "k") as workspace:
            return emit(home, stage(workspace, {"p": numbers["n"].frame().head(1)}), {})

    @dg.asset(partitions_def=DATASETS)
    def total(parts: dict[str, StoredTables]) -> None:
        seen.update({key: tables["p"].n_rows for key, tables in parts.items()})

    return [numbers, parts, total]


def make(home: Home, assets: list, name: str, partition) -> dg.ExecuteInProcessResult:
    # The last asset returns nothing, so what it "writes" goes nowhere.
    resources = {"io_manager": TablesIOManager(home=home) if name != "total" else Reading(home=home), "home": home}
    return dg.materialize(assets, selection=[name], partition_key=partition, resources=resources)


class Reading(TablesIOManager):
    def handle_output(self, context, obj) -> None:
        assert obj is None


def test_tables_go_from_asset_to_asset_and_a_coarser_one_gets_those_that_exist(home):
    seen: dict[str, int] = {}
    assets = assets_of(home, seen)
    for dataset in ("a", "b"):
        make(home, assets, "numbers", dataset)
        make(home, assets, "parts", dg.MultiPartitionKey({"dataset": dataset, "selection": "s"}))
    make(home, assets, "total", "a")
    assert seen == {"a|s": 1}
    assert sorted(str(path.relative_to(home.tables())) for path in home.tables().rglob("*.parquet")) == [
        "numbers/dataset=a/n.parquet",
        "numbers/dataset=b/n.parquet",
        "parts/dataset=a/selection=s/p.parquet",
        "parts/dataset=b/selection=s/p.parquet",
    ]


def test_a_person_sees_path_rows_and_columns(home):
    result = make(home, assets_of(home, {}), "numbers", "a")
    (made,) = result.asset_materializations_for_node("numbers")
    assert made.metadata["path"].value == str(home.tables() / "numbers" / "dataset=a")
    assert made.metadata["rows in n"].value == 3
    assert [(c.name, c.type) for c in made.metadata["columns of n"].value.columns] == [("x", "int64")]


def test_what_was_never_made_is_said_in_one_line(home):
    with pytest.raises(
        StoreError,
        match=r"^numbers of dataset 'a' has not been made yet; .* run: xmas select a --method METHOD$",
    ):
        make(home, assets_of(home, {}), "parts", dg.MultiPartitionKey({"dataset": "a", "selection": "s"}))


def test_keys_are_quoted_in_paths(home):
    assert home.table_directory("x", "d|../s").relative_to(home.tables()).as_posix() == "x/dataset=d/selection=..%2Fs"
