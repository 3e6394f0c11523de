"""Every row defect at once: each record ends where it must, and none is lost."""

from collections import Counter

from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.defects import defective_records, write_defects
from xmas_assets_tests.data.making import read


def test_each_defect_is_quarantined_under_its_reason_and_the_rest_is_kept(tmp_path):
    folder = write_defects(tmp_path)
    registration = Registration.create(
        "defects", [folder / "train.jsonl"], images=folder / "images", duplicates="quarantine"
    )
    got = read(registration)
    expected = [reason for reason, _ in defective_records()]
    reasons = {row["source_row"]: row["reason"] for row in got.quarantine}
    kept = {row["source_row"] for row in got.samples}
    outcome = [reasons.get(number, "ok" if number in kept else "lost") for number in range(len(expected))]
    assert outcome == expected
    assert Counter(outcome)["ok"] == 11
    assert got.ledger.rows_in["samples"] == len(got.samples) + len(got.quarantine) == len(expected) == 46
