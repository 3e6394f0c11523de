"""The ``xmas`` command, one module per group of commands. Logic lives on the floors below."""
