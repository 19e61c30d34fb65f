"""Words: names as people write them, what verdicts mean, text that is safe to print."""
