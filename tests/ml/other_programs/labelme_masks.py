"""OUT FILE...: every shape of LabelMe's label files as LabelMe fills it, into an .npz; and each file saved by LabelMe
itself beside it, as FILE.saved."""

import json
import sys

import numpy as np
from labelme import utils
from labelme._label_file import LabelFile

seen, facts = {}, []
for file in sys.argv[2:]:
    label_file = LabelFile(file)
    size = utils.img_data_to_arr(label_file.image_data).shape[:2]
    for shape in label_file.shapes:
        values = {shape["label"]: 1}
        seen[str(len(facts))] = utils.shapes_to_label(size, [shape], values)[0].astype(bool)
        facts.append({"file": file, "kind": shape["label"], "type": shape["shape_type"]})
    shapes = [
        {
            **{key: value for key, value in shape.items() if key != "other_data"},
            "mask": None if shape["mask"] is None else utils.img_arr_to_b64(shape["mask"].astype(np.uint8)),
        }
        for shape in label_file.shapes
    ]
    label_file.save(
        file + ".saved",
        shapes,
        label_file.image_path,
        size[0],
        size[1],
        label_file.image_data,
        label_file.other_data,
        label_file.flags,
    )
np.savez(sys.argv[1], facts=json.dumps(facts), **seen)
