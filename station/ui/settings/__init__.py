"""Settings: source, folders, look, computing, and what this program is."""
