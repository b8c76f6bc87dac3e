"""Recipes: the schema, loading with overrides, and the built-in TOML files."""
