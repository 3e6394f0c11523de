"""Processes that train for a step of Dagster, which hears from them by Dagster Pipes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import dagster as dg

from xmas_assets.contracts.workers import Ranks, WorkersSettings


def ranks_of(settings: WorkersSettings, context: dg.AssetExecutionContext) -> Ranks:
    """Who trains in a step."""
    return replace(settings.ranks, session=partial(_session, context))


@contextmanager
def _session(context: dg.AssetExecutionContext) -> Iterator[Mapping[str, str]]:
    """Hear what the first of them logs; gives the variables by which it finds this step."""
    with dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()) as session:
        yield session.get_bootstrap_env_vars()
