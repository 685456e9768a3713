"""The page Deployment: which recipe the model goes to."""
