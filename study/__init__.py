"""The study: when does selection pay, and which part of XMAS does the work? ``python -m study`` runs and redraws it."""
