"""Run assets without a UI: the platform on its instance, runs of selections, freshness, process claims."""
