"""Files on this machine: digests, locks, arrays, TOML, and files that appear whole."""
