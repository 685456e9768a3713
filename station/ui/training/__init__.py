"""Training: good pictures in, a model out, deployed to a recipe."""
