"""Training projects: what an engineer has gathered and chosen on the way to a model. No Qt, no torch.

project.py   the records: frozen, validated, saved after every change
store.py     where projects lie, and the lock that keeps each to one window
flow.py      the steps from pictures to deployment, and what each still lacks
sources.py   where pictures come from; base_pictures.py: those that a fine-tuned model has seen; earlier.py: what other
             projects say of them
order.py     a candidate as a training job over pictures that nothing can change
queue.py     the candidates: what is trained next, what a crash left
needs.py     memory and disk before the start
steps/       the rules of each step
"""
