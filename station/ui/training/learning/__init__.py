"""The page Training: the queue of candidates and the run at hand."""
