"""Training projects: what an engineer has gathered and chosen on the way to a model. No Qt, no torch.

project.py   the records: frozen, validated, saved after every change
store.py     where projects lie, and the lock that keeps each to one window
flow.py      the steps from pictures to deployment, and what each still lacks
steps/       the rules of each step
"""
