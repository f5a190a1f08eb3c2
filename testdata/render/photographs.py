"""Renders testdata/photographs: a dozen single scenes with their truth."""

import csv
import pathlib
import random

import cv2
import numpy as np

from drive import BLACK, BLUE, GREEN, GREY, NAVY, RED, SILVER, WHITE
import optics
import plate
import road
import scene
import vehicle

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "photographs"
SEED = 1896

# File: (daylight, metres along the road, vehicles). A vehicle is kind, end,
# colour, mark, metres aside and away, degrees turned, and whether its plate has
# two lines.
SCENES = {
    "front-near": (1.0, 40, [("hatch", "front", SILVER, "LN68 OKE", 0.3, 6.5, 3, False)]),
    "front-far": (0.9, 95, [("saloon", "front", NAVY, "BV23 XHU", 1.2, 12.0, 5, False)]),
    "rear-near": (1.0, 150, [("hatch", "rear", RED, "EK09 SYJ", -0.4, 6.0, -4, False)]),
    "rear-turned": (0.8, 210, [("suv", "rear", WHITE, "WX20 FDC", -1.6, 8.5, -24, False)]),
    "van-two-lines": (0.9, 260, [("van", "rear", WHITE, "NA17 GPR", 0.2, 6.0, 0, True)]),
    "motorcycle": (1.0, 310, [("motorcycle", "rear", BLACK, "OY72 ZTB", 0.1, 4.2, 0, True)]),
    "motorcycle-dusk": (0.1, 360, [("motorcycle", "rear", RED, "M826 LWN", -0.3, 4.5, 0, True)]),
    "dusk-front": (0.08, 420, [("saloon", "front", GREY, "KP15 VSA", 1.0, 7.5, 3, False)]),
    "dusk-rear": (0.12, 480, [("hatch", "rear", BLUE, "CE64 JTG", 0.0, 7.0, 0, False)]),
    "two-vehicles": (0.7, 540, [("saloon", "rear", GREEN, "T531 PHM", -1.7, 9.0, 0, False), ("suv", "front", SILVER, "HG19 RBL", 2.6, 11.5, 2, False)]),
    "three-vehicles": (1.0, 600, [("hatch", "rear", NAVY, "SF13 WDY", 0.0, 11.0, 0, False), ("van", "front", GREY, "LR70 EKX", 3.2, 13.0, 1, False), ("saloon", "rear", SILVER, "KIA 5093", -2.8, 12.0, 0, False)]),
    "no-plate": (1.0, 660, []),
}


def load(number, kind, end, colour, mark, x, z, turn, two_lines):
    texture, corners = plate.render(mark, end, two_line=two_lines, rng=random.Random(SEED + number), motorcycle=kind == "motorcycle")
    size = (texture.shape[1] / 4000, texture.shape[0] / 4000)  # four pixels a millimetre
    return vehicle.Vehicle(kind, end, colour, mark.replace(" ", ""), texture, corners, size, x, z, turn)


def main():
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for number, (name, (day, along, loads)) in enumerate(SCENES.items()):
        rng = np.random.default_rng(SEED + number)
        camera, light = optics.Camera(focal=1700.0), optics.Light(day)
        vehicles = [load(10 * number + n, *line) for n, line in enumerate(loads)]
        image, plates = scene.paint(camera, road.Road(camera, rng), light, vehicles, float(along))
        file = f"{name}.jpg"
        cv2.imwrite(str(FOLDER / file), optics.finish(image, light, rng), [cv2.IMWRITE_JPEG_QUALITY, 88])
        if not vehicles:
            rows.append([file, "", "", "", "", ""])
        for v, (corners, _) in zip(vehicles, plates):
            low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
            rows.append([file, v.vrm, *low, *(high - low)])
    with open(FOLDER / "truth.csv", "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([["file", "plate", "x", "y", "w", "h"], *rows])


if __name__ == "__main__":
    main()
