"""What is asked of a chat endpoint, a local model or a file about each row: tags, quality, answers."""
