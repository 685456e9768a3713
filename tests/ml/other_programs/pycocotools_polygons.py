"""FILE OUT: every polygon annotation of a COCO file as pycocotools fills it, into an .npz."""

import sys

import numpy as np
from pycocotools.coco import COCO

coco = COCO(sys.argv[1])
np.savez(sys.argv[2], **{str(number): coco.annToMask(one).astype(bool) for number, one in coco.anns.items()})
