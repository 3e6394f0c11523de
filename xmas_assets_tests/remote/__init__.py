"""Homes in an object store: a real server that speaks S3, on loopback."""
