"""Published benchmarks: their files read, and answers scored as their official scripts score them."""
