"""config.toml, read into frozen models: every fault at once, secrets by reference."""
