"""A model's inspection held against its floor: the bare forward pass of its backbone, in torch and in ONNX Runtime.

`run` measures, `turns` alternates and sums up, `stages` times the inspection itself, `floor` what it is held against.
Only `floor` imports torch, after the memory of the inspection was taken.
"""
