"""The page Where to look: areas, parts, rings, contrast."""
