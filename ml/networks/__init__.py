"""Plain networks: layers and a forward pass, no training and no files."""
