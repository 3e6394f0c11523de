"""The hash of a dataset's content: kept for each reading of it."""

from xmas_assets.data.registration import Registration
from xmas_assets.home import records
from xmas_assets.home.home import Home
from xmas_assets.home.records import content_digest, kept_content_digest
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets_tests.data.making import record, write


def test_it_is_computed_once_for_each_reading(tmp_path, monkeypatch):
    computed = []
    plainly = records.dataset_digest
    monkeypatch.setattr(records, "dataset_digest", lambda table: computed.append(table.num_rows) or plainly(table))
    home = Home.open(tmp_path / "home")
    found = []
    for n_rows in (2, 3):
        path = write(tmp_path, [record(id=str(row)) for row in range(n_rows)])
        Registration.create("made", [path]).save(home.root)
        staged = stage_dataset(home.path("work", "reading"), home, "made", progress=lambda progress: None)
        home.put("raw_dataset", "made", staged)
        found += [kept_content_digest(home, "made") for _ in range(3)]
    assert computed == [2, 3]
    assert found[0] == found[1] == found[2] != found[3] == content_digest(home.stored("raw_dataset", "made"))
