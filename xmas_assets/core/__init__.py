"""Arithmetic on arrays. No I/O, no torch, no settings."""
