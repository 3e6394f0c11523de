"""Remove what the pages of Dagster and MLflow show of a dataset."""

import re

import dagster as dg

from xmas_assets.contracts.links import PICTURES
from xmas_assets.home.pictures import kept_picture
from xmas_assets.orchestration.platform import Platform
from xmas_assets.resources.tracked_files import forget_files
from xmas_assets.resources.tracking import Tracking

_LINK = re.compile(re.escape(PICTURES) + r"[0-9a-f]{64}\.png")
_PAGE = 1000


def forget_shown(platform: Platform, dataset: str) -> list[str]:
    """Remove pictures of Dagster's pages and files of MLflow's runs; returns addresses of files that stay."""
    _forget_pictures(platform, dataset)
    return forget_files(Tracking(home=platform.home), dataset)


def _forget_pictures(platform: Platform, dataset: str) -> None:
    links: set[str] = set()
    for asset in platform.instance.get_asset_keys():
        cursor = None
        while True:
            found = platform.instance.fetch_materializations(asset, _PAGE, cursor)
            for record in found.records:
                if (record.partition_key or "").partition("|")[0] == dataset and record.asset_materialization:
                    links |= _links(record.asset_materialization)
            cursor = found.cursor
            if not found.has_more:
                break
    for link in sorted(links):
        path = kept_picture(platform.home, link)
        if path is not None:
            path.unlink()


def _links(materialization: dg.AssetMaterialization) -> set[str]:
    return {link for value in materialization.metadata.values() for link in _LINK.findall(str(value.value))}
