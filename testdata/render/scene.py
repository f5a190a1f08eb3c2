"""A whole picture: road and vehicles, painted from far to near."""

import cv2
import numpy as np

import vehicle


def paint(camera, road, light, vehicles, travelled=0.0, shutter_blur=None):
    """Paints the scene. Gives the image (linear light) and, in the vehicles'
    order, each plate's corners in pixels with the share of it that can be seen.
    """
    image = np.zeros((camera.height, camera.width, 3), np.float32)
    road.paint(image, light, travelled)
    owner = np.zeros((camera.height, camera.width), np.uint8)
    order = sorted(range(len(vehicles)), key=lambda i: -vehicles[i].z)
    for i in order:
        blur = shutter_blur(vehicles[i]) if shutter_blur else (0, 0)
        vehicle.paint(image, owner, camera, light, vehicles[i], 2 * i + 1, blur)
    plates = []
    for i, v in enumerate(vehicles):
        corners = camera.project(v.plate_corners())
        mask = np.zeros_like(owner)
        cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        size = cv2.contourArea(corners.astype(np.float32))
        seen = np.count_nonzero((mask > 0) & (owner == 2 * i + 2)) / max(size, 1.0)
        plates.append((corners, min(1.0, float(seen))))
    return image, plates
