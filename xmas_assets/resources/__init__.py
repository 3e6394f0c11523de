"""Dagster resources: settings, tracking, IO manager."""
