"""One pass over the data per model: sharded, resumable signal extraction."""
