"""The one door to storage: write files whole, hash them, ask for space. Not what is in a file."""
