"""Dataset: chunks of rendered crops and scenes in a bounded folder, made on the fly.

python3 dataset.py --data DIR [--boxes DIR] makes chunks until each kind has its count; a chunk
depends on seed, kind and number alone. --sheet FILE draws samples to look at instead.
"""
import argparse
import os
import random

import cv2
import numpy as np

import crop
import glyphs
import light
import plate
import scene

LONGEST = 9
READER_CHUNK, LOCALISER_CHUNK = 1024, 128


def encode(text):
    """Classes 1..36; 0 is the blank."""
    a = np.zeros(LONGEST, np.uint8)
    a[:len(text)] = [glyphs.CHARS.index(c) + 1 for c in text]
    return a


def crop_sample(rng, backgrounds, boards=.08):
    """One crop: 32 x 128 uint8, its text, left and right edge of each character in crop pixels; and whether it
    is a board's lettering, which has no text because it is no plate's; `boards` is the share of these."""
    cv2.setRNGSeed(rng.getrandbits(31))
    u = rng.random()
    if u < .08 + boards:
        return (_lettering if u < boards else _negative)(rng, backgrounds), "", np.zeros((0, 2), np.float32), u < boards
    p = plate.random_plate(rng, scale=.5, alike=.25)
    flat = cv2.cvtColor(p.image, cv2.COLOR_BGR2GRAY) if rng.random() < .7 else p.image[..., rng.randint(0, 2)]
    ph, pw = flat.shape
    two = len(p.lines) == 2
    w = float(np.exp(rng.uniform(np.log(40), np.log(330))))
    w = max(w, 6.2 * len(p.text)) if not two else max(w * .6, 9 * max(p.lines))
    h = w * ph / pw * rng.uniform(.85, 1.15)
    quad = scene.pose(rng, w, h, two)
    margin = np.array([w * .15 + 4, h * .35 + 4])
    quad = quad - quad.min(0) + margin
    W, H = np.ceil(quad.max(0) + margin).astype(int)
    small = backgrounds.patch(rng, int(max(16, W // 2)), int(max(12, H // 2)))
    photo = cv2.resize(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (int(W), int(H))).astype(np.float32)
    if rng.random() < .5:
        e = quad.mean(0) + (quad - quad.mean(0)) * [rng.uniform(1.02, 1.2), rng.uniform(1.04, 1.5)]
        cv2.fillConvexPoly(photo, e.astype(np.int32), rng.uniform(0, 255), cv2.LINE_AA)
    m = scene.paste(photo, light.illuminate(flat.astype(np.float32), rng), quad)
    photo = light.sense(light.expose(photo, rng), rng, w / 210 * 2 + .35)

    seen = _jitter(quad, rng, two)
    mx, my = crop.MARGIN_X, crop.MARGIN_Y
    chosen = range(len(p.text))
    if two:
        line = rng.randint(0, 1)
        top = sum(p.lines[:line])
        chosen = range(top, top + p.lines[line])
        cutting = rng.uniform(-.03, .03)
        box = (-mx, crop.TOP[0] - my, 1 + mx, crop.TOP[1] + cutting) if line == 0 else (-mx, crop.BOTTOM[0] + cutting, 1 + mx, crop.BOTTOM[1] + my)
        keep = rng.random() < .9
    else:
        box = (-mx, -my, 1 + mx, 1 + my)
        keep = rng.random() < .06
    image, c = crop.cut(photo, seen, box, keep, double=rng.random() < .5)
    b = p.boxes[list(chosen)]
    mid = (b[:, 1] + b[:, 3]) / 2
    ends = np.concatenate([np.stack([b[:, 0], mid], 1), np.stack([b[:, 2], mid], 1)])[None].astype(np.float32)
    x = cv2.perspectiveTransform(ends, c @ m)[0, :, 0]
    n = len(b)
    return image, "".join(p.text[i] for i in chosen), np.stack([x[:n], x[n:]], 1), False


def _jitter(quad, rng, two=False):
    """The quad as the localiser may report it."""
    q = quad.astype(np.float32)
    if rng.random() < (.05 if two else .15):  # an upright box about it
        lo, hi = q.min(0), q.max(0)
        q = np.array([lo, [hi[0], lo[1]], hi, [lo[0], hi[1]]], np.float32)
    w, h = crop.size(q)
    k = rng.uniform(.2, 1.3)
    noise = np.array([[rng.gauss(0, .016), rng.gauss(0, .045)] for _ in range(4)], np.float32)
    shift = [rng.uniform(-.035, .035), rng.uniform(-.09, .09)]
    grow = np.sign(q - q.mean(0)) * [rng.uniform(-.02, .035), rng.uniform(-.06, .1)]
    q = q + (noise + shift + grow).astype(np.float32) * [w, h] * k
    if rng.random() < (.6 if two else .3):  # turned, or slanted, as leaning plates are
        a, slant = rng.gauss(0, .07 if two else .03), rng.gauss(0, (.2 if rng.random() < .4 else .08) if two else .03)
        mid = q.mean(0)
        q = (q - mid) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]], np.float32)
        q[:, 0] += slant * q[:, 1]
        q += mid
    return q.astype(np.float32)


def _negative(rng, backgrounds):
    w, h = rng.choice([(160, 48), (128, 40), (96, 64), (256, 64)])
    im = backgrounds.patch(rng, w, h).astype(np.float32)
    u = rng.random()
    if u < .3:
        lettering_size = rng.uniform(.4, 2)
        scene.lettering(im, rng, lettering_size)
    elif u < .55:
        for _ in range(3):
            scene.grille(im, rng)
    elif u < .65:  # a plate's empty edge, a blank panel
        v = rng.uniform(60, 250)
        cv2.rectangle(im, (rng.randint(0, w // 4), rng.randint(0, h // 4)), (rng.randint(3 * w // 4, w), rng.randint(3 * h // 4, h)), (v, v, v), -1)
    im = light.sense(light.expose(light.illuminate(im, rng), rng), rng, 1.2)
    return cv2.resize(cv2.cvtColor(im, cv2.COLOR_BGR2GRAY), (crop.WIDTH, crop.HEIGHT), interpolation=cv2.INTER_AREA)


def _lettering(rng, backgrounds):
    """A sign's words and numbers, cut as if they were a plate's: no plate has such a face."""
    flat = scene.panel(rng)
    if rng.random() < .3:
        flat = 255 - flat
    h, w = flat.shape[:2]
    wide = float(np.exp(rng.uniform(np.log(60), np.log(330))))
    quad = scene.pose(rng, wide, wide * h / w * rng.uniform(.85, 1.15))
    margin = np.array([wide * .15 + 4, wide * h / w * .35 + 4])
    quad = quad - quad.min(0) + margin
    W, H = np.ceil(quad.max(0) + margin).astype(int)
    photo = cv2.cvtColor(backgrounds.patch(rng, int(W), int(H)), cv2.COLOR_BGR2GRAY).astype(np.float32)
    scene.paste(photo, light.illuminate(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), rng), quad)
    photo = light.sense(light.expose(photo, rng), rng, wide / 210 * 2 + .35)
    boxes = crop.boxes(quad)
    box, keep = rng.choice(boxes)
    return crop.cut(photo, _jitter(quad, rng), box, keep, double=rng.random() < .5)[0]


def reader_chunk(rng, backgrounds, n=READER_CHUNK, boards=.08):
    x, t, p = np.empty((n, crop.HEIGHT, crop.WIDTH), np.uint8), np.zeros((n, LONGEST), np.uint8), np.zeros((n, LONGEST, 2), np.float32)
    board = np.zeros(n, bool)
    k = 0
    while k < n:
        image, text, ends, board[k] = crop_sample(rng, backgrounds, boards)
        if len(text) > LONGEST or (text and (ends[0, 0] < -1 or ends[-1, 1] > crop.WIDTH + 1)):
            continue  # cut off
        x[k], t[k] = image, encode(text)
        p[k, :len(text)] = ends
        k += 1
    return rows(x=x, t=t, p=p, board=board)


def localiser_chunk(rng, backgrounds, n=LOCALISER_CHUNK):
    x, q, exact = np.empty((n, scene.HEIGHT, scene.WIDTH, 3), np.uint8), np.full((n, 4, 8), np.nan, np.float32), np.ones(n, bool)
    for k in range(n):
        x[k], quads, exact[k] = scene.compose(rng, backgrounds)
        for j, one in enumerate(quads):
            q[k, j] = one.reshape(-1)
    return rows(x=x, q=q, exact=exact)


def judge_chunk(rng, backgrounds, **size):
    """Crops as the reader's, almost half of them boards."""
    return reader_chunk(rng, backgrounds, boards=.45, **size)


def rows(**fields):
    """A chunk: one array, a row for each picture with all that is known of it, so that a trainer takes rows from
    the file and holds none of it."""
    a = np.empty(len(fields["x"]), [(k, v.dtype, v.shape[1:]) for k, v in fields.items()])
    for k, v in fields.items():
        a[k] = v
    return a


def save(path, chunk):
    np.save(path + ".part.npy", chunk)
    os.rename(path + ".part.npy", path)


def load(path):
    return np.load(path, mmap_mode="r")


MAKERS = {"reader": reader_chunk, "localiser": localiser_chunk, "judge": judge_chunk}


def write(folder, kind, number, seed, backgrounds, **size):
    path = os.path.join(folder, "%s-%04d.npy" % (kind, number))
    if os.path.exists(path):
        return
    rng = random.Random("%d %s %d" % (seed, kind, number))
    save(path, MAKERS[kind](rng, backgrounds, **size))


class Chunks:
    """The chunks of one kind as they appear. Number 0 is kept for validation."""

    def __init__(self, folder, kind):
        self.folder, self.kind, self.loaded = folder, kind, {}

    def refresh(self):
        for name in sorted(os.listdir(self.folder)):
            if name.startswith(self.kind + "-") and name.endswith(".npy") and ".part" not in name and name not in self.loaded:
                self.loaded[name] = load(os.path.join(self.folder, name))
        self.names = sorted(self.loaded)[1:]
        return len(self.names)

    @property
    def validation(self):
        return self.loaded["%s-0000.npy" % self.kind]

    def batch(self, rng, n, pieces=4):
        parts = []
        for _ in range(pieces):
            c = self.loaded[self.names[-1 - int(len(self.names) * rng.random() ** 2)]]
            parts.append(np.array(c[[rng.randrange(len(c)) for _ in range(n // pieces)]]))
        return np.concatenate(parts)


def sheet(path, kind, seed, backgrounds):
    rng = random.Random(seed)
    if kind == "reader":
        tiles = []
        for _ in range(120):
            image, text, ends, _ = crop_sample(rng, backgrounds)
            tile = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
            for a, b in ends:
                cv2.line(tile, (int(a), 31), (int(b), 31), (0, 0, 255), 1)
            tile = cv2.copyMakeBorder(tile, 2, 14, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
            cv2.putText(tile, text, (2, 45), cv2.FONT_HERSHEY_SIMPLEX, .4, (200, 0, 0), 1, cv2.LINE_AA)
            tiles.append(tile)
        columns = 10
    else:
        tiles = []
        for _ in range(24):
            im, quads, _ = scene.compose(rng, backgrounds)
            for q in quads:
                cv2.polylines(im, [q.round().astype(np.int32)], True, (0, 0, 255), 1)
            tiles.append(im)
        columns = 4
    cv2.imwrite(path, np.vstack([np.hstack(tiles[i:i + columns]) for i in range(0, len(tiles), columns)]))


def abreast(**counts):
    """Kinds and numbers of chunks, so that all kinds are complete at about the same time."""
    return [(kind, n) for _, kind, n in sorted((n / count, kind, n) for kind, count in counts.items() for n in range(count))]


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True, help="folder for chunks, outside the repository")
    a.add_argument("--boxes", help="folder with boxes.csv and images/ (MIT road scenes)")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--reader", type=int, default=160, help="chunks of %d crops" % READER_CHUNK)
    a.add_argument("--localiser", type=int, default=64, help="chunks of %d scenes" % LOCALISER_CHUNK)
    a.add_argument("--judge", type=int, default=0, help="chunks of %d crops for the reader's judge" % READER_CHUNK)
    a.add_argument("--small", action="store_true", help="tiny chunks, for the smoke run")
    a.add_argument("--sheet", help="draw samples to FILE.reader.png and FILE.localiser.png instead")
    a = a.parse_args()
    cv2.setNumThreads(1)
    backgrounds = scene.Backgrounds(a.boxes)
    if a.sheet:
        for kind in ("reader", "localiser"):
            sheet("%s.%s.png" % (a.sheet, kind), kind, a.seed, backgrounds)
        return
    os.makedirs(a.data, exist_ok=True)
    half = a.reader // 2   # of the crops: the scenes are complete with these, because the finder learns before all others
    for kind, n in [*abreast(reader=half, localiser=a.localiser), *(("reader", n) for n in range(half, a.reader)), *abreast(judge=a.judge)]:   # the judge learns last
        write(a.data, kind, n, a.seed, backgrounds, **({"n": 8 if kind == "localiser" else 48} if a.small else {}))


if __name__ == "__main__":
    main()
