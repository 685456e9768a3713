"""Scripts that run with other programs' packages, in an environment of their own: a second Qt binding beside ours would
break both. They know nothing of Loupe and say what they saw in a file."""
