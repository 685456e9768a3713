"""What computes a model's scores: torch, the reference and the way to a GPU, or ONNX Runtime on a CPU.

Both take the same network inputs and give the same `CellScores`; `ml.detector` chooses one per model. The graph that
ONNX Runtime computes is exported from torch when a model is saved, held against torch on fixed pictures, and kept in
the model file (docs/adr/0015).
"""
