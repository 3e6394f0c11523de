"""A Dagster data platform that chooses fine-tuning subsets for vision-language models and proves them."""

__version__ = "0.1.0"
