"""Nouns shared by every floor: samples, artifacts, settings and errors. No I/O."""
