"""FILE OUT: every annotation of a COCO file as pycocotools sees it, into an .npz."""

import json
import sys

import numpy as np
from pycocotools import mask as mask_code
from pycocotools.coco import COCO

coco = COCO(sys.argv[1])
seen, facts = {}, []
for number, annotation in coco.anns.items():
    mask = coco.annToMask(annotation)
    seen[str(number)] = mask.astype(bool)
    again = mask_code.encode(np.asfortranarray(mask))
    facts.append(
        {
            "id": number,
            "file": coco.loadImgs(annotation["image_id"])[0]["file_name"],
            "kind": coco.loadCats(annotation["category_id"])[0]["name"],
            "area": int(mask_code.area(again)),
            "bbox": mask_code.toBbox(again).tolist(),
            "same_code": again["counts"].decode() == annotation["segmentation"]["counts"],
            "said": [annotation["area"], annotation["bbox"]],
        }
    )
np.savez(sys.argv[2], facts=json.dumps(facts), **seen)
