"""Vision-language models: load, prompt, and read attention out of them."""
