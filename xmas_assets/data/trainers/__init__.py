"""Subsets as folders that other programs train from: one file per program, listed in ``registry``."""
