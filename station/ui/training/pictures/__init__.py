"""The page Pictures: which pictures show good parts."""
