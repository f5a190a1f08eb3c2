"""Worsen: photographs with known plates once more, small, turned, pressed, defocused, dark and moved.

python3 worsen.py --truth truth.csv --images DIR --out DIR writes each photograph that shows a plate in six ways, and a
truth.csv with the column category, for nrd-agent evaluate. What the photographs show is personal data: OUT lies
outside the repository.
"""
import argparse
import csv
import itertools
import os
import random
import sys

import cv2
import numpy as np


def noisy(image, deviation):
    grain = np.empty(image.shape, np.float32)
    cv2.randn(grain, 0, deviation)
    return image + grain


def turned(image, degrees):
    """The whole picture, turned, and the transform."""
    h, w = image.shape[:2]
    m = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1)
    wide, high = np.ceil(np.abs(m[:, :2]) @ [w, h]).astype(int)
    m[:, 2] += [(wide - w) / 2, (high - h) / 2]
    return cv2.warpAffine(image, m, (int(wide), int(high)), borderMode=cv2.BORDER_REPLICATE), m


def moved(image, pixels):
    return cv2.filter2D(image, -1, np.full((1, pixels), 1 / pixels), borderType=cv2.BORDER_REPLICATE)


# Of each category: the width of the first plate in pixels at most, what is done, the quality of the JPEG.
CATEGORIES = {
    "70 px": (70, lambda im: im, 90),
    "12 degrees": (None, lambda im: im, 90),   # turned in worsened, which turns the boxes too
    "JPEG 18": (110, lambda im: im, 18),
    "defocused": (100, lambda im: noisy(cv2.GaussianBlur(im, (0, 0), 2), 4), 90),
    "dark": (140, lambda im: noisy(im * .15, 4), 90),
    "moved": (140, lambda im: moved(im, 9), 90),
}


def worsened(image, boxes, category, rng):
    """The picture, uint8, and the boxes (n, 4) of its plates: x, y, width, height."""
    widest, change, _ = CATEGORIES[category]
    if widest and boxes[0][2] > widest:
        k = widest / boxes[0][2]
        image = cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        boxes = boxes * k
    if category == "12 degrees":
        image, m = turned(image, rng.choice((-12, 12)))
        corners = np.stack([boxes[:, :2] + boxes[:, 2:] * at for at in ([0, 0], [1, 0], [1, 1], [0, 1])], 1) @ m[:, :2].T + m[:, 2]
        boxes = np.concatenate([corners.min(1), np.ptp(corners, 1)], 1)
    cv2.setRNGSeed(rng.getrandbits(31))
    return change(image.astype(np.float32)).clip(0, 255).astype(np.uint8), boxes


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--truth", required=True, help="CSV with the columns file, plate, x, y, w, h, region")
    a.add_argument("--images", required=True)
    a.add_argument("--out", required=True)
    a = a.parse_args()
    cv2.setNumThreads(1)
    told = [["file", "plate", "x", "y", "w", "h", "region", "category"]]
    with open(a.truth, newline="") as f:
        plates = [r for r in csv.DictReader(f) if r["plate"]]
    for number, (file, rows) in enumerate(itertools.groupby(plates, lambda r: r["file"])):
        rows = list(rows)
        image = cv2.imread(os.path.join(a.images, file))
        if image is None:
            sys.exit("%s: no picture" % os.path.join(a.images, file))
        for category in CATEGORIES:
            changed, boxes = worsened(image, np.array([[float(r[k]) for k in "xywh"] for r in rows]), category, random.Random("worsen %s %s" % (file, category)))
            to = "%s/%04d.jpg" % (category.replace(" ", "-"), number)
            os.makedirs(os.path.join(a.out, os.path.dirname(to)), exist_ok=True)
            cv2.imwrite(os.path.join(a.out, to), changed, [cv2.IMWRITE_JPEG_QUALITY, CATEGORIES[category][2]])
            told += [[to, r["plate"], *box.round().astype(int), r["region"], category] for r, box in zip(rows, boxes)]
    with open(os.path.join(a.out, "truth.csv"), "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(told)


if __name__ == "__main__":
    main()
