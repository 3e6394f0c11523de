"""Ask a trained model the test questions and score the answers."""
