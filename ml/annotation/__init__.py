"""Where the defects of a picture are, and of which kind: records, their files, and exchange with other programs.
No torch, no Qt."""
