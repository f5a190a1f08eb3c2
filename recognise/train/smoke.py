"""Smoke: a rendered plate in a grey scene goes through the exported pair without error."""
import sys

import numpy as np

import measure
import plate

image, corners = plate.render("AB12 CDE", "rear", scale=.6)
scene = np.full((480, 640, 3), 90, np.uint8)
h, w = image.shape[:2]
scene[200:200 + h, 150:150 + w] = image
pipe = measure.Pipeline(sys.argv[1])
print("found %d; the plate itself reads as %r" % (len(pipe.find(scene)), pipe.read(scene[..., 1], corners + [150, 200])))
