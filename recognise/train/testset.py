"""Test set: street scenes with known plates, in categories, for `nrd-agent evaluate`.

python3 testset.py --out DIR renders --count pictures of each category with truth.csv. A picture depends
on seed, category and number alone; no seed is one of the training's. The streets and vehicles are those
of testdata/render, which the training has never seen; plates, light and lens are the training's, so what
is read here is an upper bound of what is read on the road.
"""
import argparse
import csv
import os
import random
import sys

import cv2
import numpy as np

import light
import plate
import scene
import syntax

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "testdata", "render"))
import optics   # noqa: E402
import road     # noqa: E402
import vehicle  # noqa: E402

# Category: narrowest and widest plate in pixels as if seen from straight ahead, and the largest defocus in pixels.
CATEGORIES = {
    "day": (95, 210, .8), "night-infrared": (95, 210, .8), "two-line": (70, 130, .6), "motorcycle": (65, 120, .6),
    "rain": (95, 210, .7), "60-90px": (61, 89, .45), "45-degrees": (140, 230, .7), "european": (95, 210, .8), "plate-free": (95, 210, .8),
    "far-in-1920": (61, 80, .4), "near-in-640": (300, 500, 1.5),
}
# Focal length, width and height of the pictures in pixels, lowest and highest camera in metres.
VIEW = (1700.0, 1280, 720, 1.1, 1.9)
VIEWS = {"far-in-1920": (2550.0, 1920, 1080, 1.1, 1.9), "near-in-640": (1700.0, 640, 480, .45, .7)}
COLOURS = [(.55, .54, .52), (.30, .30, .31), (.09, .09, .10), (.80, .80, .78), (.30, .09, .04), (.06, .05, .42), (.10, .22, .08), (.20, .35, .45)]
SIGNS = ("KEEP CLEAR", "TO LET 555 0199", "Garden Centre", "ROAD AHEAD CLOSED", "Recovery 24hr", "40", "P 2 hours", "LONDON 54", "A38 M42", "Diversion",
         "Fish & Chips", "VAN HIRE", "Welcome to Oxley", "HOTEL 3M", "SLOW 20", "Bridge 4.2m", "UNIT 7", "POST OFFICE", "MINI CABS", "B4100")
MARGIN = 6


def texture(category, rng, kind, end):
    """A plate's picture at about 4 px a mm, its text, and width and height in metres."""
    if category == "plate-free":
        return np.full((444, 2080, 3), rng.randint(20, 120), np.uint8), "", (.52, .111)
    if category == "european":
        p = plate.random_plate(rng, scale=4.0, uk=False, two_line=False)
        h, w = p.image.shape[:2]
        return p.image, p.text, (w / 4000, h / 4000)
    groups = syntax.british(rng)
    two = category in ("two-line", "motorcycle") and len(groups) > 1
    image, _ = plate.render(" ".join(groups), end, two_line=two, rng=rng, motorcycle=kind == "motorcycle")
    return image, "".join(groups), (image.shape[1] / 4000, image.shape[0] / 4000)


def load(category, rng, second):
    """One vehicle with its plate; the second one is in the other lane and farther away."""
    narrow, wide, _ = CATEGORIES[category]
    end = rng.choice(["front", "rear"])
    kind = "motorcycle" if category == "motorcycle" else rng.choice(["hatch", "saloon", "suv", "van"])
    if category in ("two-line", "motorcycle"):
        end, kind = "rear", kind if kind == "motorcycle" else rng.choice(["suv", "van"])
    image, text, size = texture(category, rng, kind, end)
    turn = rng.choice([-1, 1]) * rng.uniform(40, 50) if category == "45-degrees" else rng.gauss(0, 6)
    z = VIEWS.get(category, VIEW)[0] * size[0] / rng.uniform(narrow, min(wide, 1.3 * narrow) if second else wide)
    h, w = image.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    x = rng.choice([-1, 1]) * rng.uniform(2.4, 3.2) if second else rng.gauss(0, .5)
    return vehicle.Vehicle(kind, end, rng.choice(COLOURS), text, image, corners, size, x, z, turn)


def street(category, rng):
    """Paints one street in linear light: image, illumination, vehicles with their plates' corners; None where a
    plate is hidden or cut off."""
    focal, width, height, low, high = VIEWS.get(category, VIEW)
    camera = optics.Camera(width, height, focal, rng.uniform(low, high))
    day = {"night-infrared": rng.uniform(0, .08), "rain": rng.uniform(.35, .8)}.get(category, rng.uniform(.45, 1))
    lit = optics.Light(day)
    image = np.zeros((height, width, 3), np.float32)
    road.Road(camera, np.random.default_rng(rng.getrandbits(32))).paint(image, lit, rng.uniform(0, 900))
    vehicles = [load(category, rng, False)]
    if rng.random() < .3:
        vehicles.append(load(category, rng, True))
    owner = np.zeros((height, width), np.uint8)
    for i in sorted(range(len(vehicles)), key=lambda i: -vehicles[i].z):
        vehicle.paint(image, owner, camera, lit, vehicles[i], 2 * i + 1, (0, 0))
    plates = []
    for i, v in enumerate(vehicles):
        quad = camera.project(v.plate_corners())
        if not category == "plate-free":
            mask = cv2.fillPoly(np.zeros_like(owner), [quad.round().astype(np.int32)], 1)
            seen = np.count_nonzero((mask > 0) & (owner == 2 * i + 2)) / max(1, np.count_nonzero(mask))
            if seen < .93 or quad.min() < MARGIN or (quad > [width - MARGIN, height - MARGIN]).any():
                return None
        plates.append((v, quad))
    return image, lit, plates


def signs(image, rng):
    """Lettering on boards of every size: none of it is a plate."""
    for _ in range(rng.randint(2, 5)):
        text, size = rng.choice(SIGNS), rng.uniform(.5, 2.2)
        face, thick = rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]), max(1, round(size * rng.uniform(1, 2.5)))
        (w, h), _ = cv2.getTextSize(text, face, size, thick)
        x, y = rng.randint(0, max(1, image.shape[1] - w)), rng.randint(h + 8, image.shape[0] - 20)
        back = rng.choice([(230, 232, 232), (40, 120, 30), (150, 60, 10), (30, 190, 240), (40, 40, 40)])
        if rng.random() < .8:
            cv2.rectangle(image, (x - 10, y - h - 10), (x + w + 10, y + 12), back, -1)
        cv2.putText(image, text, (x, y), face, size, (20, 20, 20) if sum(back) > 350 else (235, 235, 235), thick, cv2.LINE_AA)
    return image


def infrared(image, plates, rng):
    """What an infrared camera sees at night: a dark scene without colour, and plates that throw its light back."""
    grey = image.mean(2, keepdims=True)
    grey = np.repeat(grey / max(1.0, grey.mean()) * rng.uniform(12, 34), 3, 2).clip(0, 255).astype(np.float32)
    for v, quad in plates:
        bright = v.texture.max(2, keepdims=True).repeat(3, 2).astype(np.float32)   # yellow and white are alike
        if np.hypot(*(quad[1] - quad[0])) * 4 < bright.shape[1]:
            k = 2 * np.hypot(*(quad[1] - quad[0])) / bright.shape[1]
            bright = cv2.resize(bright, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        scene.paste(grey, bright * rng.uniform(.45, 1.15), quad)
    glow = cv2.GaussianBlur(grey, (0, 0), rng.uniform(2, 9))
    return grey + glow * rng.uniform(.02, .18)


def picture(category, seed, number):
    """One picture, uint8, and its plates: text and corners."""
    rng = random.Random("testset %d %s %d" % (seed, category, number))
    cv2.setRNGSeed(rng.getrandbits(31))
    painted = None
    while painted is None:
        painted = street(category, rng)
    image, lit, plates = painted
    image = optics.finish(image, lit, np.random.default_rng(rng.getrandbits(32))).astype(np.float32)
    if category == "plate-free":
        image, plates = signs(image, rng), []
    if category == "night-infrared":
        image = infrared(image, plates, rng)
    if category == "rain":
        image = light.rain(image, rng)
    return light.sense(image, rng, CATEGORIES[category][2]), [(v.vrm, quad) for v, quad in plates]


def rows(file, category, plates):
    """The truth of one picture, a row a plate."""
    told = ["none" if category == "plate-free" else "eu" if category == "european" else "gb", category, "night" if category == "night-infrared" else "day"]
    if not plates:
        return [[file, "", "", "", "", "", *told]]
    out = []
    for text, quad in plates:
        low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
        out.append([file, text, *low, *(high - low), *told])
    return out


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--out", required=True)
    a.add_argument("--count", type=int, default=120, help="pictures of each category")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--category", action="append", choices=CATEGORIES, help="only this one")
    a = a.parse_args()
    cv2.setNumThreads(1)
    truth = [["file", "plate", "x", "y", "w", "h", "region", "category", "light"]]
    for category in a.category or CATEGORIES:
        os.makedirs(os.path.join(a.out, category), exist_ok=True)
        for number in range(a.count):
            image, plates = picture(category, a.seed, number)
            file = "%s/%04d.jpg" % (category, number)
            cv2.imwrite(os.path.join(a.out, file), image, [cv2.IMWRITE_JPEG_QUALITY, 88])
            truth += rows(file, category, plates)
        print(category, a.count, flush=True)
    with open(os.path.join(a.out, "truth.csv"), "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(truth)


if __name__ == "__main__":
    main()
