"""The page Judgement: threshold, rules, candidates, past parts."""
