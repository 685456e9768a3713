"""A model as a stand-alone graph, preprocessing and postprocessing inside: for programs that have nothing of ours.

`picture` as captured goes in; `score`, `verdict` and `map` come out. `preparation` and `assembly` say in torch what
`ml.images`, `ml.scoring` and `ml.calibration` do in numpy and OpenCV, `graph` joins them with the method's own graph,
`agreement` holds the result against the detector, and `standalone` writes it.
"""
