"""The page Method: how it is learnt, and generated samples."""
