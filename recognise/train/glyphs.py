"""Glyphs: Charles Wright characters drawn from strokes, and any grotesque faces the machine has.

The statutory character is 79 mm high, 50 mm wide (1 and I apart) and 14 mm thick. A character is
kept as the centre lines of its strokes in millimetres, y down, so that other statutory sizes
(57 mm wide before September 2001, 64 x 44 x 10 on motorcycles) are drawn from the same lines.
Lines run past the box where the stroke's end lies on its edge; the box cuts them.
"""
import functools
import glob
import math

import cv2
import numpy as np

HEIGHT, WIDTH, STROKE = 79.0, 50.0, 14.0
CHARS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FOLD = str.maketrans("OI", "01")  # O and 0, I and 1 have one glyph each

FONT_PATTERNS = (
    "dejavu/DejaVuSans-Bold.ttf", "dejavu/DejaVuSansCondensed-Bold.ttf",
    "dejavu/DejaVuSansMono-Bold.ttf", "dejavu/DejaVuSans.ttf",
    "liberation*/LiberationSans-Bold.ttf", "liberation*/LiberationSansNarrow-Bold.ttf",
    "lato/Lato-Bold.ttf", "open-sans/OpenSans-Bold.ttf", "open-sans/OpenSans-CondBold.ttf",
    "roadgeek/RG2014[BCD].ttf", "roadgeek/RG2014E*.ttf", "opendin/*.ttf", "b612/B612*-Bold.ttf",
    "roboto/unhinted/RobotoCondensed-Bold.ttf", "roboto/unhinted/RobotoTTF/Roboto-Bold.ttf",
    "play/Play-Bold.ttf", "routed-gothic/routed-gothic-[nw]*w.ttf", "freefont/FreeSansBold.ttf", "hack/Hack-Bold.ttf",
)


def _arc(cx, cy, rx, ry, start, end, n=16, square=2.0):
    """Points of a superellipse's arc (an ellipse's for square = 2); 0 degrees is +x, 90 is down."""
    t = np.radians(np.linspace(start, end, n))
    bow = lambda v: math.copysign(abs(v) ** (2 / square), v)
    return [(cx + rx * bow(math.cos(a)), cy + ry * bow(math.sin(a))) for a in t]


def strokes(square=2.0, valley=51.0, peak=12.0):
    """The centre lines of every character; a greater `square` gives squarer bows, as many makers' faces have.
    `valley` is how far down M's middle reaches, `peak` how far up W's, in mm."""
    arc = functools.partial(_arc, square=square)
    oval = arc(25, 25, 18, 18, 180, 360) + arc(25, 54, 18, 18, 0, 180) + [(7, 25)]
    left, right = [(7, -9), (7, 88)], [(43, -9), (43, 88)]
    bar = [[(7, -9), (7, 88)]]

    return {
        "0": [oval], "O": [oval], "1": bar, "I": bar,
        "2": [arc(25, 25, 18, 18, 182, 360) + arc(25, 28, 18, 16, 0, 45, 6) + [(6, 69)], [(0, 72), (59, 72)]],
        "3": [arc(25, 23, 17, 16, 185, 360) + arc(25, 23, 17, 15.5, 0, 90, 8) + [(20, 38.5)],
              [(20, 38.5), (25, 38.5)] + arc(25, 55, 18, 17, -90, 175)],
        "4": [[(35, -9), (35, 88)], [(36, -8), (6, 58)], [(0, 57), (59, 57)]],
        "5": [[(59, 7), (9, 7), (8, 40)],
              [(8, 40)] + arc(25, 51, 18, 18, -140, -90, 5) + arc(25, 52, 18, 20, -90, 170)],
        "6": [arc(25, 54, 18, 18, 0, 360, 30), [(7, 54), (7, 25)] + arc(25, 25, 18, 18, 180, 352)],
        "7": [[(-9, 7), (50, 7)], [(47, 0), (17, 88)]],
        "8": [arc(25, 22.5, 16, 15.5, 0, 360, 30), arc(25, 54.5, 18, 17.5, 0, 360, 30)],
        "9": [arc(25, 25, 18, 18, 0, 360, 30), [(43, 25), (43, 54)] + arc(25, 54, 18, 18, 0, 172)],
        "A": [[(6.2, 84), (20.5, -5)], [(43.8, 84), (29.5, -5)], [(12, 57), (38, 57)], [(18, 7), (32, 7)]],
        "B": [left, [(0, 7), (27, 7)] + arc(27, 22.5, 14, 15.5, -90, 90) + [(7, 38)],
              [(7, 38), (27, 38)] + arc(26, 55, 17, 17, -90, 90) + [(0, 72)]],
        "C": [arc(25, 54, 18, 18, 4, 180) + arc(25, 25, 18, 18, 180, 356)],
        "D": [left, [(0, 7), (25, 7)] + arc(25, 25, 18, 18, -90, 0) + arc(25, 54, 18, 18, 0, 90) + [(0, 72)]],
        "E": [left, [(0, 7), (59, 7)], [(0, 39), (44, 39)], [(0, 72), (59, 72)]],
        "F": [left, [(0, 7), (59, 7)], [(0, 39), (43, 39)]],
        "G": [arc(25, 25, 18, 18, -6, -180) + arc(25, 54, 18, 18, 180, 0) + [(43, 38)], [(26, 43), (50, 43)]],
        "H": [left, right, [(0, 39), (50, 39)]],
        "J": [[(43, -9), (43, 54)] + arc(25, 54, 18, 18, 0, 180), [(7, 56), (7, 50)]],
        "K": [left, [(5, 54), (52, -9)], [(20, 30), (47, 90)]],
        "L": [left, [(0, 72), (59, 72)]],
        "M": [left, right, [(4, -8), (27, valley)], [(46, -8), (23, valley)]],
        "N": [left, right, [(3, -8), (47, 87)]],
        "P": [left, [(0, 7), (26, 7)] + arc(26, 25, 17, 18, -90, 90) + [(7, 43)]],
        "Q": [oval, [(27, 52), (50, 84)]],
        "R": [left, [(0, 7), (26, 7)] + arc(26, 24, 17, 17, -90, 90) + [(7, 41)], [(22, 41), (45, 88)]],
        "S": [arc(25, 23.5, 17.5, 16.5, -2, -180) + [(8, 26)] + arc(22, 26, 14, 12, 180, 110, 6)
              + arc(27, 54, 16, 18, -75, 0, 8) + arc(25, 55, 18, 17, 0, 178)],
        "T": [[(-9, 7), (59, 7)], [(25, 0), (25, 88)]],
        "U": [[(7, -9), (7, 54)] + arc(25, 54, 18, 18, 180, 0) + [(43, -9)]],
        "V": [[(5, -9), (23, 84)], [(45, -9), (27, 84)], [(21, 74), (29, 74)]],
        "W": [[(3, -9), (14, 84)], [(47, -9), (36, 84)], [(13, 84), (26, peak)], [(37, 84), (24, peak)]],
        "X": [[(2, -9), (48, 88)], [(48, -9), (2, 88)]],
        "Y": [[(2, -9), (25, 46)], [(48, -9), (25, 46)], [(25, 40), (25, 88)]],
        "Z": [[(0, 7), (59, 7)], [(0, 72), (59, 72)], [(48, -2), (2, 81)]],
    }


STROKES = strokes()
# Where four strokes share a character's width they are thinner, or they would fill it.
CROWDED = {"M": .9, "W": .72}
# European faces give 1 a flag and I serifs; without them a bar.
FLAGGED_ONE = [[(25, -9), (25, 88)], [(25, 5), (5, 24)], [(6, 72), (44, 72)]]
SERIFED_I = [[(25, -9), (25, 88)], [(8, 7), (42, 7)], [(8, 72), (42, 72)]]


def draw(ch, width=WIDTH, stroke=STROKE, px_per_mm=4.0, strokes=None, height=HEIGHT, crowded=1.0):
    """The character's mask, uint8, cut to its statutory box; `crowded` is how thick M's and W's strokes are, 1 as they should be."""
    bar = ch in "1I" and strokes is None
    width = stroke if bar else width
    over = 2  # drawn twice as large, then averaged down
    s = px_per_mm * over
    mask = np.zeros((round(height * s), round(width * s)), np.uint8)
    # Centre lines are given for the 14 mm stroke in its 50 x 79 box: keep the outline on the box.
    fx = 1.0 if bar else (width - stroke) / (WIDTH - STROKE)
    fy = (height - stroke) / (HEIGHT - STROKE)
    thick = stroke * min(1, CROWDED.get(ch, 1) * crowded)
    for line in strokes or STROKES[ch]:
        p = np.array(line, np.float32)
        p = np.stack([stroke / 2 + (p[:, 0] - 7) * fx, stroke / 2 + (p[:, 1] - 7) * fy], 1) * s
        for i in range(len(p) - 1):
            d = p[i + 1] - p[i]
            length = float(np.hypot(*d))
            if length < 1e-3:
                continue
            n = np.array([-d[1], d[0]]) / length * thick * s / 2
            box = np.array([p[i] + n, p[i + 1] + n, p[i + 1] - n, p[i] - n])
            cv2.fillConvexPoly(mask, np.round(box * 16).astype(np.int32), 255, cv2.LINE_8, 4)
            if i:
                cv2.circle(mask, tuple(int(v) for v in p[i]), int(thick * s / 2), 255, -1)
    return cv2.resize(mask, (max(1, round(width * px_per_mm)), round(height * px_per_mm)), interpolation=cv2.INTER_AREA)


class Font:
    """Masks of all 36 characters at one height; `wright` says that statutory spacing applies."""

    def __init__(self, name, masks, wright):
        self.name, self.masks, self.wright = name, masks, wright
        self._cache = {}

    def aspect(self, ch):
        m = self.masks[ch]
        return m.shape[1] / m.shape[0]

    def glyph(self, ch, w, h):
        key = (ch, w, h)
        if key not in self._cache:
            if len(self._cache) > 4000:
                self._cache.clear()
            self._cache[key] = cv2.resize(self.masks[ch], (w, h), interpolation=cv2.INTER_AREA)
        return self._cache[key]


def bend(masks, rng):
    """The characters of a face bent a little, each in its own way: faces that nobody has in a package."""
    out = {}
    for c, m in masks.items():
        h, w = m.shape
        yy, xx = np.mgrid[:h, :w].astype(np.float32)
        u, v = xx / w * 2 - 1, yy / h * 2 - 1
        k = [rng.gauss(0, 1) for _ in range(8)]
        dx = (.05 * k[0] * v + .06 * k[1] * u * v + .05 * k[2] * (v * v - .3) + .04 * k[3] * np.sin(3 * v)) * w * .5
        dy = (.05 * k[4] * (u * u - .3) + .05 * k[5] * (1 - v * v) + .04 * k[6] * np.sin(3 * v) * (1 - v * v)) * h * .5
        out[c] = cv2.remap(m, xx + dx, yy + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return out


def bent(rng):
    """A face like ours but bent, of any width and thickness, with or without flags and serifs."""
    f = wright(rng.uniform(38, 58), rng.uniform(8, 15.5), flags=rng.random() < .7, square=rng.uniform(2, 3.2), peak=rng.uniform(8, 40))
    return Font("bent " + f.name, bend(f.masks, rng), f.wright)


def continental(rng):
    """A narrow, light face as most of the continent has: M and W are as wide as the rest, their middles anywhere."""
    width = rng.uniform(38, 50)
    f = wright(width, width * rng.uniform(.18, .25), flags=True, square=rng.uniform(2, 3),
               crowded=rng.uniform(.85, 1.2), valley=rng.uniform(34, 76), peak=rng.uniform(8, 40))
    return Font("continental " + f.name, bend(f.masks, rng) if rng.random() < .5 else f.masks, False)


def narrowed(font, rng):
    """A face whose M and W are hardly wider than its N, as they are made to fit a plate."""
    masks = dict(font.masks)
    for c in "MW":
        m = masks[c]
        w = round(masks["N"].shape[1] * rng.uniform(.95, 1.25))
        masks[c] = cv2.resize(m, (min(w, m.shape[1]), m.shape[0]), interpolation=cv2.INTER_AREA)
    return Font("narrowed " + font.name, masks, font.wright)


def wright(width=WIDTH, stroke=STROKE, px_per_mm=2.0, flags=False, height=HEIGHT, square=2.0, crowded=1.0, **middles):
    """The stroke face at one statutory (or customary) size."""
    lines = {c: None if c in "1I" else s for c, s in strokes(square, **middles).items()}
    if flags:
        lines.update({"1": FLAGGED_ONE, "I": SERIFED_I})
    masks = {c: draw(c, width, stroke, px_per_mm, lines[c], height, crowded) for c in CHARS}
    return Font("strokes %gx%gx%g %g%s" % (height, width, stroke, square, " flags" if flags else ""), masks, not flags)


def installed(height=96):
    """Grotesque faces found on this machine: diversity, never needed."""
    from PIL import Image, ImageDraw, ImageFont

    found = []
    for pattern in FONT_PATTERNS:
        found += glob.glob("/usr/share/fonts/truetype/" + pattern)
    fonts = []
    for path in sorted(set(found)):
        try:
            face = ImageFont.truetype(path, size=int(height * 1.4))
        except OSError:
            continue
        boxes = [face.getbbox(c) for c in "HEXN"]
        top, bottom = min(b[1] for b in boxes), max(b[3] for b in boxes)
        masks = {}
        for c in CHARS:
            b = face.getbbox(c)
            im = Image.new("L", (b[2] - b[0] + 4, bottom + 40), 0)
            ImageDraw.Draw(im).text((2 - b[0], 0), c, fill=255, font=face)
            a = np.array(im)[top:bottom]
            columns = np.where(a.max(0) > 40)[0]
            if len(columns) == 0:
                break
            a = a[:, columns[0]:columns[-1] + 1]
            masks[c] = cv2.resize(a, (max(3, round(a.shape[1] * height / a.shape[0])), height), interpolation=cv2.INTER_AREA)
        if len(masks) == len(CHARS):
            fonts.append(Font(path.rsplit("/", 1)[-1], masks, False))
    return fonts
