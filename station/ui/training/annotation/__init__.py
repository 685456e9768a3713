"""The page Defects: where they are, drawn and exchanged."""
