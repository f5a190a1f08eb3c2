"""Scene: plates in road scenes, for the localiser; and the surroundings of a crop, for the reader.

Backgrounds are the photographs of --boxes (their own plates kept as positives, or painted over)
or, without them, rendered ones.
"""
import csv
import os

import cv2
import numpy as np

import glyphs
import light
import plate

WIDTH, HEIGHT = 384, 256
WORDS = ("Taxi", "Bakery", "for hire", "SALE", "Open 24h", "Volvo", "turbo diesel", "Deliveries", "www.van.co.uk", "School", "SLOW",
         "0800 555 016", "Bus stop", "TRANSIT", "Parking", "No entry", "exit", "POLICE", "Ambulance", "24/7", "Fresh food", "Road closed",
         "Gardens & sons", "caution", "A417", "M5 North", "Tel 01632 960", "Polski sklep", "CAFE", "Hotel", "Garage", "i-DTEC", "GTi", "4x4")


# The faces of what is lettered and is no plate.
PRINT = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX]


class Backgrounds:
    """Photographs with the boxes of their plates; `split` as in boxes.csv."""

    def __init__(self, folder=None, split="train"):
        self.photographs = []
        if folder:
            found = {}
            with open(os.path.join(folder, "boxes.csv"), newline="") as f:
                for r in csv.DictReader(f):
                    if r["split"] == split:
                        found.setdefault(r["file"], []).append([float(r[k]) for k in ("x", "y", "w", "h")])
            for name in sorted(found):
                im = cv2.imread(os.path.join(folder, "images", name))
                if im is not None:
                    self.photographs.append((im, np.array(found[name], np.float32)))

    def patch(self, rng, w, h):
        """A piece of a background, any scale, plates painted over."""
        if not self.photographs or rng.random() < .15:
            return rendered(rng, w, h)
        im, boxes = rng.choice(self.photographs)
        ih, iw = im.shape[:2]
        cw = min(iw, max(16, int(w * rng.uniform(.4, 2))))
        ch = min(ih, max(8, int(h * cw / w)))
        x, y = rng.randint(0, iw - cw), rng.randint(0, ih - ch)
        piece = im[y:y + ch, x:x + cw].copy()
        _paint_over(piece, boxes - [x, y, 0, 0])
        return cv2.resize(piece, (w, h), interpolation=cv2.INTER_AREA)


def rendered(rng, w, h):
    """A background of blurred noise, panels, bars and lines."""
    small = np.empty((rng.randint(2, 8), rng.randint(2, 8), 3), np.uint8)
    cv2.randu(small, 0, 255)
    im = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC).astype(np.float32) * rng.uniform(.2, 1)
    for _ in range(rng.randint(0, 6)):
        colour = [rng.uniform(0, 255) for _ in range(3)]
        p, q = (rng.randint(0, w), rng.randint(0, h)), (rng.randint(0, w), rng.randint(0, h))
        if rng.random() < .5:
            cv2.rectangle(im, p, q, colour, rng.choice([-1, 1, 2]))
        else:
            cv2.line(im, p, q, colour, rng.randint(1, 6), cv2.LINE_AA)
    if rng.random() < .3:
        grille(im, rng)
    return im.clip(0, 255).astype(np.uint8)


def texture(rng, w, h):
    """Gravel, grass, leaves, tarmac: noise of several sizes between two colours, brighter at one side."""
    grain = np.zeros((h, w), np.float32)
    for size in (1, 2, 4, 8, 24, 64):
        small = np.empty((h // size + 2, w // size + 2), np.float32)
        cv2.randn(small, 0, rng.random())
        grain += cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
    grain = (.5 + grain * rng.uniform(.15, .5) / (grain.std() + .01)).clip(0, 1)[..., None]
    dark, bright = (np.array([max(0, v + rng.uniform(-25, 25)) for _ in range(3)], np.float32) for v in (rng.uniform(10, 110), rng.uniform(90, 230)))
    if rng.random() < .4:   # green
        bright *= np.array([rng.uniform(.3, .7), 1, rng.uniform(.5, .95)], np.float32)
    im = (dark + (bright - dark) * grain) * np.linspace(rng.uniform(.7, 1.1), rng.uniform(.7, 1.1), h, dtype=np.float32)[:, None, None]
    if rng.random() < .5:   # blades, twigs, spokes, all in about one direction
        lean, spread, length = rng.uniform(0, np.pi), rng.uniform(.05, .8), h * rng.uniform(.03, .25)
        for _ in range(rng.randint(60, 500)):
            x, y, a, v = rng.uniform(0, w), rng.uniform(0, h), rng.gauss(lean, spread), rng.uniform(-.3, 1.3)
            end = (round(x + length * np.cos(a)), round(y + length * np.sin(a)))
            cv2.line(im, (round(x), round(y)), end, [float(c) for c in dark + (bright - dark) * v], rng.choice([1, 1, 2]), cv2.LINE_AA)
    return im


def clutter(im, rng):
    """Machinery somewhere, with no plate in it."""
    h, w = im.shape[:2]
    machinery(im, np.array([rng.uniform(0, w), rng.uniform(0, h)]) + np.array([[-1, -1], [1, 1]]) * rng.uniform(8, 60), rng)


def machinery(im, quad, rng):
    """What a motorcycle's plate sits among: tubes, lamps, panels, dark gaps."""
    middle, reach = quad.mean(0), float(np.ptp(quad, 0).max())
    near = lambda: [int(v + rng.gauss(0, .75) * reach) for v in middle]
    for _ in range(rng.randint(2, 7)):
        u, v = rng.random(), rng.uniform(15, 230)
        if u < .45:
            tube, thick = [np.array([near() for _ in range(rng.randint(2, 4))], np.int32)], max(1, int(reach * rng.uniform(.02, .12)))
            for tone, part in ((.4, thick + 2), (1, thick), (1.35, max(1, thick // 3))):
                cv2.polylines(im, tube, False, [v * tone] * 3, part, cv2.LINE_AA)
        elif u < .7:
            colour = [c * rng.uniform(.5, 1.1) for c in rng.choice([(30, 30, 180), (20, 110, 230), (210, 210, 215), (35, 35, 35)])]
            at, size = near(), [max(1, int(reach * rng.uniform(.06, .3))) for _ in range(2)]
            cv2.ellipse(im, at, size, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
            cv2.ellipse(im, at, [max(1, r // 3) for r in size], 0, 0, 360, [min(255, c * 1.5 + 30) for c in colour], -1, cv2.LINE_AA)
        else:
            panel = cv2.convexHull(np.array([near() for _ in range(rng.randint(3, 6))], np.int32))
            cv2.fillConvexPoly(im, panel, [v] * 3 if rng.random() < .7 else [rng.uniform(0, 255) for _ in range(3)], cv2.LINE_AA)


def grille(im, rng):
    """Bars, slats or a mesh in a rectangle of the image."""
    h, w = im.shape[:2]
    x0, y0 = rng.randint(0, max(0, w - 12)), rng.randint(0, max(0, h - 6))
    x1, y1 = min(w, x0 + rng.randint(10, max(11, w // 2))), min(h, y0 + rng.randint(5, max(6, h // 2)))
    dark, bright = [rng.uniform(0, 70)] * 3, [rng.uniform(60, 240)] * 3
    cv2.rectangle(im, (x0, y0), (x1, y1), dark, -1)
    step = rng.uniform(3, 14)
    kind = rng.random()
    if kind < .75:
        for k in range(int((y1 - y0) / step)):
            y = round(y0 + (k + .5) * step)
            cv2.line(im, (x0, y), (x1, y), bright, max(1, int(step / 3)), cv2.LINE_AA)
    if kind > .45:
        for k in range(int((x1 - x0) / step)):
            x = round(x0 + (k + .5) * step)
            cv2.line(im, (x, y0), (x, y1), bright, max(1, int(step / 3)), cv2.LINE_AA)


def rings(im, rng):
    """A badge of rings or ovals, bright on a grille or on paint."""
    h, w = im.shape[:2]
    r = rng.uniform(3, 22)
    x, y, n, squeeze = rng.uniform(0, w), rng.uniform(0, h), rng.choice([1, 2, 3, 4, 4]), rng.uniform(.7, 1)
    v = rng.uniform(120, 255)
    if rng.random() < .5:
        grille(im, rng)
    for k in range(n):
        at = (round(x + (k - (n - 1) / 2) * 1.5 * r), round(y))
        cv2.ellipse(im, at, (max(2, round(r)), max(2, round(r * squeeze))), 0, 0, 360, [v] * 3, max(1, round(r * rng.uniform(.15, .3))), cv2.LINE_AA)


def lettering(im, rng, largest=.5):
    """Words of a sign, a van, a shop: on their own panel or not. They are no plates."""
    h, w = im.shape[:2]
    sign = rng.random() < .5   # stencilled, painted or stuck on a pale board: capitals and numbers as a plate's, no plate's face
    lines = [_sign(rng) if sign else rng.choice(WORDS) for _ in range(rng.choice([1, 1, 1, 2] if sign else [1, 1, 2, 3]))]
    face = rng.choice(PRINT + [cv2.FONT_HERSHEY_SCRIPT_SIMPLEX])
    size = rng.uniform(.25, 1.6) * largest * h / 100
    thick = max(1, round(size * rng.uniform(1, 3)))
    (tw, th), _ = cv2.getTextSize(max(lines, key=len), face, size, thick)
    x, y = rng.randint(-tw // 4, max(1, w - tw // 2)), rng.randint(th, max(th + 1, h - th))
    pale = sign and rng.random() < .7
    if pale or rng.random() < .5:
        pad = rng.uniform(.3, 1.5) * th
        colour = _pale(rng) if pale else [rng.uniform(0, 255) for _ in range(3)]
        cv2.rectangle(im, (int(x - pad), int(y - th - pad)), (int(x + tw + pad), int(y + (len(lines) - 1) * th * 1.6 + pad)), colour, -1)
    v = rng.uniform(0, 60) if pale else rng.choice([rng.uniform(0, 60), rng.uniform(180, 255)])
    ink = [v] * 3 if pale or rng.random() < .6 else [rng.uniform(0, 255) for _ in range(3)]
    for n, line in enumerate(lines):
        cv2.putText(im, line, (x, int(y + n * th * 1.6)), face, size, ink, thick, cv2.LINE_AA)


def panel(rng):
    """A pale panel, float32, with a sign's lettering that fills it about as a registration fills a plate."""
    text = _sign(rng)
    face = rng.choice(PRINT)
    size = rng.uniform(.9, 2)
    thick = max(1, round(size * rng.uniform(1, 3)))
    (tw, th), _ = cv2.getTextSize(text, face, size, thick)
    left, right, above, below = (round(rng.uniform(.1, .9) * th) for _ in range(4))
    flat = np.empty((th + above + below, tw + left + right, 3), np.float32)
    flat[:] = _pale(rng)
    cv2.putText(flat, text, (left, th + above), face, size, [rng.uniform(0, 60)] * 3, thick, cv2.LINE_AA)
    return flat


def _pale(rng):
    """The ground of a sign that is as bright as a plate's: white or yellow."""
    return rng.choice([[rng.uniform(150, 255)] * 3, [rng.uniform(0, 100), rng.uniform(150, 215), rng.uniform(195, 255)]])


def placard(im, rng):
    """A pale panel with a sign's lettering, somewhere, turned as a plate is. It is no plate."""
    flat = panel(rng)
    _put_up(im, flat, rng)


def _sign(rng):
    """What stands on a sign: roads with their numbers, places with distances, warnings, an asset's number."""
    kind = rng.random()
    road = lambda: rng.choice("AABM") + str(rng.choice([rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 9999)]))
    if kind < .35:
        return " ".join(road() for _ in range(rng.choice([1, 1, 2])))
    word = "".join(rng.choice(glyphs.CHARS[10:]) for _ in range(rng.randint(3, 8))) if rng.random() < .4 else rng.choice(WORDS).upper()
    word = "".join(c for c in word if c in glyphs.CHARS or c == " ").strip()
    return word if kind < .6 else "%s %d" % (word, rng.choice([rng.randint(1, 99), rng.randint(100, 9999)]))


def board(im, rng):
    """A sign or a nameplate in the proportions of a plate, light on a colour or dark on a pale ground. It is no plate."""
    faces = plate.Faces.get()
    font = rng.choice(faces["other"] if rng.random() < .8 else faces["wright"])
    text, high, x, glyphs_at = _sign(rng), 40, rng.randint(6, 30), []
    for ch in text:
        if ch == " ":
            x += rng.randint(12, 34)
            continue
        w = max(4, round(high * (.62 if font.wright else font.aspect(ch)) * rng.uniform(.95, 1.05)))
        glyphs_at.append((ch, x, w))
        x += w + rng.randint(2, 9)
    pad = rng.randint(6, 26)
    flat = np.empty((high + 2 * pad, x + rng.randint(4, 24), 3), np.float32)
    # Dark on pale a short one with a number would be a plate.
    if rng.random() < .75 or len(text) < 9 and any(c.isdigit() for c in text):
        flat[:] = rng.choice([(70, 110, 0), (160, 70, 0), (30, 50, 95), (40, 30, 190)])
        flat[:] += np.array([rng.uniform(-25, 25) for _ in range(3)], np.float32)
        ink = rng.uniform(190, 255)
    else:
        flat[:] = [rng.uniform(150, 250) for _ in range(3)]
        ink = rng.uniform(0, 90)
    for ch, at, w in glyphs_at:
        part = flat[pad:pad + high, at:at + w]
        m = font.glyph(ch, w, high)[:, :part.shape[1], None] * np.float32(1 / 255)
        part[:] = part * (1 - m) + ink * m
    if rng.random() < .5:
        inset = rng.randint(1, 4)
        cv2.rectangle(flat, (inset, inset), (flat.shape[1] - 1 - inset, flat.shape[0] - 1 - inset), [ink] * 3, rng.randint(1, 3))
    _put_up(im, flat, rng)


def _put_up(im, flat, rng):
    """Pastes what is no plate somewhere, turned as a plate is."""
    w = float(np.exp(rng.uniform(np.log(30), np.log(320))))
    q = pose(rng, w, w * flat.shape[0] / flat.shape[1] * rng.uniform(.85, 1.18))
    q += [rng.uniform(0, im.shape[1]), rng.uniform(0, im.shape[0])]
    paste(im, light.illuminate(flat, rng) * rng.uniform(.4, 1.1), q.astype(np.float32))


def pose(rng, w, h, two_line=False):
    """Corners of a w x h plate as a camera may see it, about the origin: the plate is turned about its three
    axes and seen from a few of its widths away."""
    oblique = rng.random() < (.6 if two_line else .3)   # motorcycles lean, and are photographed from beside
    roll = rng.gauss(0, (.28 if two_line else .2) if oblique else .05)
    yaw = rng.uniform(-1.0, 1.0) if oblique else rng.gauss(0, .25)
    pitch = rng.uniform(-.15, .5) if oblique else rng.gauss(.08, .14)
    tilt = rng.gauss(.35, .3) if oblique and two_line else rng.gauss(.05, .12)   # a motorcycle's lies back: from beside that is a slant
    x, y = np.array([-w, w, w, -w]) / 2, np.array([-h, -h, h, h]) / 2
    y, z = y * np.cos(tilt), -y * np.sin(tilt)
    x, y = x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)
    x, z = x * np.cos(yaw) - z * np.sin(yaw), x * np.sin(yaw) + z * np.cos(yaw)
    y, z = y * np.cos(pitch) - z * np.sin(pitch), y * np.sin(pitch) + z * np.cos(pitch)
    near = 1 + z / (max(w, h) * rng.uniform(3, 14))
    a = rng.gauss(0, .06)   # the camera itself
    x, y = x / near, y / near
    q = np.stack([x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)], 1)
    return q.astype(np.float32)


def paste(im, flat, quad):
    """Blend the flat plate (float32) into the scene (float32) at the quad. Returns the homography."""
    ph, pw = flat.shape[:2]
    m = cv2.getPerspectiveTransform(np.array([[0, 0], [pw, 0], [pw, ph], [0, ph]], np.float32), quad.astype(np.float32))
    shrink = pw / max(1.0, float(np.hypot(*(quad[1] - quad[0]))))
    if shrink > 1.4:
        flat = cv2.GaussianBlur(flat, (0, 0), .35 * shrink)
    h, w = im.shape[:2]
    x0, y0 = np.maximum(np.floor(quad.min(0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(quad.max(0)).astype(int) + 2, [w, h])
    if x1 <= x0 or y1 <= y0:
        return m
    local = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float64) @ m
    size = (int(x1 - x0), int(y1 - y0))
    over = cv2.warpPerspective(flat, local, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(np.ones((ph, pw), np.float32), local, size, flags=cv2.INTER_LINEAR)
    alpha = alpha[..., None] if im.ndim == 3 else alpha
    part = im[y0:y1, x0:x1]
    im[y0:y1, x0:x1] = part * (1 - alpha) + over * alpha
    return m


def compose(rng, backgrounds):
    """One training scene: uint8 HEIGHT x WIDTH x 3, up to four quads, and whether these are drawn exactly
    (a photograph's own plates have upright boxes only)."""
    cv2.setRNGSeed(rng.getrandbits(31))
    quads, exact = [], True
    if backgrounds.photographs and rng.random() < .3:
        exact = False
        im, quads = _real(rng, backgrounds)
        if rng.random() < .6:
            im = _white_balance(im, rng)
    else:
        if backgrounds.photographs and rng.random() < .55:
            im = _cropped(rng, backgrounds)
            if rng.random() < .7:
                im = _white_balance(im, rng)
        else:
            im = texture(rng, WIDTH, HEIGHT) if rng.random() < .8 else rendered(rng, WIDTH, HEIGHT).astype(np.float32)
        if rng.random() < .5:
            im = np.ascontiguousarray(im[:, ::-1])
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
            rng.choice([lettering, lettering, placard, placard, placard, board, board, grille, rings, clutter, clutter])(im, rng)
        infrared = rng.random() < .08   # a dark scene without colour, plates that throw the camera's light back
        if infrared:
            im = np.repeat(im.mean(2, keepdims=True) * rng.uniform(.08, .35), 3, 2)
        for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4])):
            _add_plate(im, quads, rng, infrared)
        if infrared:
            im = im + cv2.GaussianBlur(im, (0, 0), rng.uniform(1, 5)) * rng.uniform(.02, .2)
    if rng.random() < .2:
        im = np.repeat(im.mean(2, keepdims=True), 3, 2)
    im = light.illuminate(im, rng)
    if rng.random() < .08:
        im = light.rain(im, rng)
    if rng.random() < .4:
        im = im * rng.uniform(.35, 1.3) + rng.uniform(-20, 25)
    im = im * np.array([rng.uniform(.92, 1.08) for _ in range(3)], np.float32)
    im = light.sense(im, rng, 1.3)
    if not exact and rng.random() < .5:   # a photograph's plates; drawn ones are never seen in a mirror
        im = np.ascontiguousarray(im[:, ::-1])
        quads = [np.stack([[WIDTH - q[k, 0], q[k, 1]] for k in (1, 0, 3, 2)]) for q in quads]
    return im, [q for q in quads if 0 < q[:, 0].mean() < WIDTH and 0 < q[:, 1].mean() < HEIGHT][:4], exact


def _white_balance(im, rng):
    """Towards grey, then a cast of its own: no camera's colours are to be learnt."""
    mean = im.reshape(-1, 3).mean(0) + 8
    gain = (mean.mean() / mean) ** rng.uniform(.6, 1.1) * [rng.uniform(.85, 1.18) for _ in range(3)]
    return im * (gain * (rng.uniform(60, 135) / mean.mean() if rng.random() < .5 else 1)).clip(.3, 3).astype(np.float32)


def _add_plate(im, quads, rng, infrared=False):
    p = plate.random_plate(rng, scale=.55, two_line=rng.random() < .4)
    ph, pw = p.image.shape[:2]
    w = float(np.exp(rng.uniform(np.log(18), np.log(340 if len(p.lines) == 1 else 220))))
    h = w * ph / pw * rng.uniform(.85, 1.18)
    q = pose(rng, w, h, len(p.lines) == 2)
    ext = q.max(0) - q.min(0)
    cx = WIDTH / 2 if ext[0] > WIDTH * .95 else rng.uniform(ext[0] * .5, WIDTH - ext[0] * .5)
    cy = HEIGHT / 2 if ext[1] > HEIGHT * .95 else rng.uniform(ext[1] * .5, HEIGHT - ext[1] * .5)
    q = (q + [cx, cy]).astype(np.float32)
    if any(abs(o[:, 0].mean() - cx) < (w + np.ptp(o[:, 0])) * .6 and abs(o[:, 1].mean() - cy) < (h + np.ptp(o[:, 1])) * .8 for o in quads):
        return
    if rng.random() < (.6 if len(p.lines) == 2 else .15):
        machinery(im, q, rng)
    if rng.random() < .55:  # bumper, tailgate, recess, holder
        e = q.mean(0) + (q - q.mean(0)) * [rng.uniform(1.04, 1.9), rng.uniform(1.08, 3)]
        v = rng.uniform(0, 255)
        cv2.fillConvexPoly(im, e.astype(np.int32), [v] * 3 if rng.random() < .6 else [rng.uniform(0, 255) for _ in range(3)], cv2.LINE_AA)
        if rng.random() < .3:
            cv2.polylines(im, [e.astype(np.int32)], True, [rng.uniform(0, 255)] * 3, rng.randint(1, 4), cv2.LINE_AA)
    shown = p.image.max(2, keepdims=True).repeat(3, 2) if infrared else p.image   # yellow and white are alike
    flat = light.illuminate(shown.astype(np.float32), rng)
    if rng.random() < .3:   # faded, or in the light
        flat = flat.mean() + (flat - flat.mean()) * rng.uniform(.4, 1)
    if rng.random() < .13:
        flat = _hide(flat, p.boxes, rng)
    base = rng.uniform(.35, 1.12)
    if not infrared and rng.random() < .2:  # the plate's brightness goes with the scene's
        base = float(im.mean()) / 110 * rng.uniform(.7, 1.6)
    paste(im, (flat * base + rng.uniform(-10, 25)).astype(np.float32), q)
    quads.append(q)


def _hide(flat, boxes, rng):
    """The plate with lettering that nobody can read: smeared, or mud on each character. It is a plate all the same."""
    if rng.random() < .7:
        return _smear(flat, rng)
    flat, mud = flat.copy(), [v * rng.uniform(.5, 1.1) for v in (55, 62, 72)]
    for x0, y0, x1, y1 in boxes:
        at = [round(v + rng.gauss(0, .1) * (y1 - y0)) for v in ((x0 + x1) / 2, (y0 + y1) / 2)]
        size = [max(1, round((y1 - y0) * rng.uniform(.25, .55))) for _ in range(2)]
        cv2.ellipse(flat, at, size, rng.uniform(0, 180), 0, 360, mud, -1, cv2.LINE_AA)
    return flat


def _smear(im, rng):
    """Lettering of a plate that fills the image, rubbed out."""
    h, w = im.shape[:2]
    return cv2.GaussianBlur(im, (0, 0), w * rng.uniform(.025, .08), sigmaY=h * rng.uniform(.05, .15), borderType=cv2.BORDER_REFLECT)


def _window(rng, iw, ih, cw, ch, box=None):
    cw, ch = min(int(cw), iw), min(int(ch), ih)
    if box is None:
        return rng.randint(0, iw - cw), rng.randint(0, ih - ch), cw, ch
    x = box[0] + box[2] / 2 - cw * rng.uniform(.12, .88)
    y = box[1] + box[3] / 2 - ch * rng.uniform(.1, .9)
    return int(min(max(x, 0), iw - cw)), int(min(max(y, 0), ih - ch)), cw, ch


def _real(rng, backgrounds):
    """A piece of a photograph with its own plates."""
    photo, boxes = rng.choice(backgrounds.photographs)
    ih, iw = photo.shape[:2]
    b = boxes[rng.randrange(len(boxes))]
    zoom = float(np.exp(rng.uniform(np.log(16), np.log(260)))) / b[2]
    x, y, cw, ch = _window(rng, iw, ih, WIDTH / zoom, HEIGHT / zoom * rng.uniform(.85, 1.18), b)
    cw, ch = max(cw, 24), max(ch, 16)
    piece = photo[y:y + ch, x:x + cw]
    f = np.array([WIDTH / piece.shape[1], HEIGHT / piece.shape[0]], np.float32)
    im = cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if f[0] < 1 else cv2.INTER_LINEAR).astype(np.float32)
    quads = [(np.array([[k[0], k[1]], [k[0] + k[2], k[1]], [k[0] + k[2], k[1] + k[3]], [k[0], k[1] + k[3]]], np.float32) - [x, y]) * f for k in boxes]
    for q in quads:
        (x0, y0), (x1, y1) = q[0].round().astype(int).clip(0), q[2].round().astype(int).clip(0)
        if rng.random() < .12 and im[y0:y1, x0:x1].size:
            im[y0:y1, x0:x1] = _smear(im[y0:y1, x0:x1], rng)
    if rng.random() < .35:  # turn the whole scene
        a = rng.gauss(0, .1)
        c, s = np.cos(a), np.sin(a)
        m = np.array([[c, -s, WIDTH / 2 * (1 - c) + HEIGHT / 2 * s], [s, c, HEIGHT / 2 * (1 - c) - WIDTH / 2 * s]])
        im = cv2.warpAffine(im, m, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        quads = [q @ m[:, :2].T + m[:, 2] for q in quads]
    return im, [q.astype(np.float32) for q in quads]


def _cropped(rng, backgrounds):
    """A piece of a photograph, its plates painted over."""
    photo, boxes = rng.choice(backgrounds.photographs)
    ih, iw = photo.shape[:2]
    zoom = rng.uniform(.3, 1.6)
    near = boxes[rng.randrange(len(boxes))] if rng.random() < .6 else None
    x, y, cw, ch = _window(rng, iw, ih, WIDTH / zoom, HEIGHT / zoom, near)
    piece = photo[y:y + ch, x:x + cw].copy()
    _paint_over(piece, boxes - [x, y, 0, 0])
    return cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def _paint_over(im, boxes):
    h, w = im.shape[:2]
    for x, y, bw, bh in boxes:
        x0, y0, x1, y1 = max(0, int(x - 4)), max(0, int(y - 3)), min(w, int(x + bw + 4)), min(h, int(y + bh + 3))
        if x1 > x0 and y1 > y0:
            edge = np.concatenate([im[max(0, y0 - 6):y0 + 1, x0:x1].reshape(-1, 3), im[y1 - 1:y1 + 5, x0:x1].reshape(-1, 3)])
            im[y0:y1, x0:x1] = edge.mean(0)
