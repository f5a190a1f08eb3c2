"""Smoke: a rendered plate in a grey scene goes through the three exported files without error."""
import sys

import cv2
import numpy as np
import torch

import crop
import localiser
import plate
import reader
import window

folder = sys.argv[1]
image, corners = plate.render("AB12 CDE", "rear", scale=.6)
scene = np.full((480, 640, 3), 90, np.uint8)
h, w = image.shape[:2]
scene[200:200 + h, 150:150 + w] = image
corners = corners + np.array([150, 200], np.float32)

found = window.Finder(folder).find(scene)
closer = cv2.dnn.readNetFromONNX(folder + "/localiser.onnx")
closer.setInput(localiser.picture(window.cut(scene, window.upright(corners))[0][None], None).numpy())
heat = closer.forward()[0, 0]
read = cv2.dnn.readNetFromONNX(folder + "/reader.onnx")
read.setInput(crop.normalise([crop.cut(scene[..., 1], corners, crop.boxes(corners)[0][0])[0]]))
print("found %d; a plate with %.2f at most; it reads as %r" % (
    len(found), 1 / (1 + np.exp(-heat.max())), reader.decode(torch.from_numpy(read.forward()))[0]))
