"""The page of results is what the stored results give."""

import pytest

from study.report import write_report
from study.running import RESULTS


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
def test_the_page_is_redrawn_from_the_stored_results_alone(tmp_path):
    page = write_report(tmp_path)
    assert page.read_text() == (RESULTS.parent / "results.md").read_text()
    drawn, kept = ({path.name for path in (folder / "figures").iterdir()} for folder in (tmp_path, RESULTS.parent))
    assert drawn == kept
