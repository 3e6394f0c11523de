"""Fine-tune proxies and targets."""
