"""The toy dataset and the toy model, and how they are made. Nothing here is needed for a user's own data."""
