"""Users' datasets: read, validate, generate, open images, export."""
