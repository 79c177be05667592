"""Sources: each yields units (named, fingerprinted), and each unit gives the engine text columns to read."""
