"""Window: what the localiser sees on the device, cut from rendered scenes where the finder found something.

python3 window.py --data DIR --model ../model --chunks N makes a chunk of windows of each of N chunks of scenes, with
the finder of the model folder; it waits for those that are still being rendered. Half of what a finder finds is no plate: boards, lettering, lamps, grilles. Those
are what the localiser has to tell from plates, and no scene drawn at random shows as many.
"""
import argparse
import os
import random
import time

import cv2
import numpy as np

import crop
import dataset
import localiser

WIDTH, HEIGHT, PLATE = 192, 128, 110.0   # as in ../localiser.go
LEAST = .15   # the finder's probability; the device looks from a higher one on, but its finder is not always this one


class Finder:
    def __init__(self, model):
        self.network = cv2.dnn.readNetFromONNX(model + "/finder.onnx")

    def find(self, image):
        """Quads of what looks like a plate in an image of uint8, surest first."""
        self.network.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None] / np.float32(255) - np.float32(.45)))
        m = self.network.forward()[0]
        heat = 1 / (1 + np.exp(-m[0]))
        peaks = np.argwhere((heat >= cv2.dilate(heat, np.ones((3, 3)))) & (heat > LEAST))
        quads = [m[1:, y, x].reshape(4, 2) * localiser.UNIT + (np.array([x, y]) + .5) * localiser.STRIDE for y, x in peaks]
        sure = np.argsort([-heat[y, x] for y, x in peaks])
        return [quads[k].astype(np.float32) for k in sure if min(crop.size(quads[k])) > 3]


def upright(quad):
    w, h = crop.size(quad)
    return quad.mean(0) + np.array([[-w, -h], [w, -h], [w, h], [-w, h]], np.float32) / 2


def cut(image, view):
    """The window in which `view` is an upright rectangle, and the homography to it, as the device cuts it."""
    w, h = crop.size(view)
    high = min(PLATE * h / max(w, 1), PLATE)
    x, y = .5 - .5 * WIDTH / PLATE, .5 - .5 * HEIGHT / high
    m = crop.transform(view, (x, y, 1 - x, 1 - y), WIDTH, HEIGHT)
    times = max(1, min(4, int(w * (1 - 2 * x) / WIDTH + .5)))
    centres = lambda d: np.array([[1, 0, d], [0, 1, d], [0, 0, 1.]])   # pixel centres lie at half pixels in both pictures
    large = cv2.warpPerspective(image, centres(-.5) @ np.diag([times, times, 1.]) @ m @ centres(.5), (WIDTH * times, HEIGHT * times), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) if times > 1 else large, m


def overlap(a, b):
    """Shared area of two quads' boxes as a share of the smaller one."""
    (ax, ay), (au, av), (bx, by), (bu, bv) = a.min(0), a.max(0), b.min(0), b.max(0)
    shared = max(0, min(au, bu) - max(ax, bx)) * max(0, min(av, bv) - max(ay, by))
    return shared / max(1, min((au - ax) * (av - ay), (bu - bx) * (bv - by)))


def views(found, quads, exact, rng):
    """Up to four views of a scene: its plates as they are found, and what is found that is none."""
    out = []
    for q in rng.sample(quads, min(2, len(quads))):
        seen = [f for f in found if overlap(f, q) > .5]
        first = upright(seen[0]) if seen else upright(q) + np.array([rng.gauss(0, .08), rng.gauss(0, .12)], np.float32) * crop.size(q)
        if exact and rng.random() < .5:   # a later look: the one before has gone part of the way
            noise = np.array([[rng.gauss(0, .05), rng.gauss(0, .09)] for _ in range(4)], np.float32) * crop.size(q)
            later = first + (q - first) * rng.uniform(.3, 1) + noise
            w, h = crop.size(q)
            out.append(slanted(later, rng) if rng.random() < (.5 if w < 3 * h else .15) else later)
        else:
            out.append(first)
    none = [f for f in found if not any(overlap(f, q) > .2 for q in quads)]
    for f in rng.sample(none, min(2, len(none))):
        out.append(f if rng.random() < .3 else upright(f))
    grown = lambda v: (v.mean(0) + (v - v.mean(0)) * np.exp([rng.gauss(0, .1), rng.gauss(0, .1)])).astype(np.float32)
    return [v for v in map(grown, out) if cv2.isContourConvex(v)]


def slanted(view, rng):
    """A view that stands upright on a slanted plate: what a look before leaves of a motorcycle's, seen from beside."""
    w, h = crop.size(view)
    along = (view[1] - view[0]) / max(w, 1) * h * rng.gauss(0, .3)
    return view + np.array([[.5], [.5], [-.5], [-.5]], np.float32) * along


def windows(scenes, finder, rng):
    """The windows of a chunk of scenes, as a chunk."""
    x, q, exact = [], [], []
    for image, quads, drawn in zip(scenes["x"], scenes["q"], scenes["exact"]):
        quads = [one.reshape(4, 2) for one in quads if not np.isnan(one[0])]
        for view in views(finder.find(image), quads, drawn, rng):
            picture, m = cut(image, view)
            inside = [cv2.perspectiveTransform(one[None], m)[0] for one in quads]
            inside = [one for one in inside if np.isfinite(one).all() and (one.mean(0) > 0).all() and (one.mean(0) < [WIDTH, HEIGHT]).all()]
            row = np.full((4, 8), np.nan, np.float32)
            for k, one in enumerate(inside[:4]):
                row[k] = one.reshape(-1)
            x.append(picture), q.append(row), exact.append(drawn)
    return dataset.rows(x=np.array(x), q=np.array(q), exact=np.array(exact))


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True)
    a.add_argument("--model", required=True)
    a.add_argument("--chunks", type=int, required=True)
    a.add_argument("--sheet", help="draw the first chunk's windows to this file instead")
    a = a.parse_args()
    cv2.setNumThreads(1)
    finder = Finder(a.model)
    for number in range(a.chunks):
        scene, path = ("%s/%s-%04d.npy" % (a.data, kind, number) for kind in ("localiser", "window"))
        if os.path.exists(path) and not a.sheet:
            continue
        while not os.path.exists(scene):
            time.sleep(1)
        made = windows(dataset.load(scene), finder, random.Random("window %d" % number))
        if a.sheet:
            return sheet(a.sheet, made)
        dataset.save(path, made)


def sheet(path, made):
    tiles = []
    for picture, quads in zip(made["x"], made["q"]):
        tile = picture.copy()
        for one in quads[~np.isnan(quads[:, 0])]:
            cv2.polylines(tile, [one.reshape(4, 2).round().astype(np.int32)], True, (0, 0, 255), 1)
        tiles.append(tile)
    tiles = tiles[:len(tiles) // 10 * 10]
    cv2.imwrite(path, np.vstack([np.hstack(tiles[k:k + 10]) for k in range(0, len(tiles), 10)]))


if __name__ == "__main__":
    main()
