"""What an asset check asserts, as plain functions that return the problems found."""
