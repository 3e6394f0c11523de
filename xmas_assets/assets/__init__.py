"""Dagster assets, one thin file per stage."""
