"""Plate: layout by the statutory dimensions, colours, band, border, screws, dealer's line, dirt.

render() draws one British plate for whoever needs a picture of one; random_plate() draws the
training mixture. Both return the plate seen flat, filling the image to its border.
"""
import dataclasses
import random

import cv2
import numpy as np

import glyphs
import syntax

# Millimetres: character height, width, stroke, gap, group gap, line gap, plate width, plate height.
CAR = dict(height=79, width=50, stroke=14, gap=11, group=33, line=19)
MOTORCYCLE = dict(height=64, width=44, stroke=10, gap=10, group=30, line=13)
WHITE, YELLOW, BLACK = (236, 238, 238), (22, 190, 245), (20, 20, 20)


@dataclasses.dataclass
class Plate:
    image: np.ndarray   # BGR, uint8
    text: str
    boxes: np.ndarray   # one row a character: x0, y0, x1, y1 in pixels of image
    lines: list         # characters in each line, e.g. [4, 3]

    @property
    def corners(self):
        h, w = self.image.shape[:2]
        return np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)


class Faces:
    """All faces, made once a process."""
    _all = None

    @classmethod
    def get(cls):
        if cls._all is None:
            installed = glyphs.installed()
            bikes = [glyphs.wright(44, 10, 2.4, height=64, square=q) for q in (2, 2.5, 3, 4, 5.5)]
            cls._all = dict(
                bikes=bikes, car=glyphs.wright(), motorcycle=bikes[0],
                wright=[glyphs.wright(w, s, square=q) for w, s, q in ((50, 14, 2), (50, 14, 2.4), (50, 14, 2.8), (50, 14, 3.3), (50, 12, 2.6), (50, 16, 2.2),
                                                                     (50, 16, 3), (57, 14, 2.3), (46, 11, 2.5), (50, 10, 2.8), (50, 14, 4.5))],
                other=[glyphs.wright(w, s, flags=True) for w, s in ((48, 10), (44, 11), (40, 9), (52, 13))] + installed,
                continental=[glyphs.continental(random.Random("continental %d" % k)) for k in range(24)]
                + [glyphs.narrowed(f, random.Random("narrowed " + f.name)) for f in installed],
                bent=[glyphs.bent(random.Random("bent %d" % k)) for k in range(24)])
        return cls._all


def _place(lines, font, mm, dash=None):
    """Character boxes in mm from the text's top left: [(ch, x, y, w, h, line)], width, height.
    `lines` is a list of lines, each a list of groups; a dash or seal stands as a lower-case letter."""
    rows, marks = [], []
    for n, groups in enumerate(lines):
        x, y, row = 0.0, n * (mm["height"] + mm["line"]), []
        for g, group in enumerate(groups):
            if g:
                x += mm["group"] - mm["gap"]
                if dash == "-":
                    marks.append(("-", x - mm["group"] / 2 + mm["gap"] / 2, y + mm["height"] / 2, n))
                elif dash == "o" and g == 1:
                    x += mm["height"] * .5
                    marks.append(("o", x - mm["group"] / 2 - mm["height"] * .2, y + mm["height"] / 2, n))
            for ch in group:
                w = mm["stroke"] if font.wright and ch in "1I" else (
                    mm["width"] if font.wright else font.aspect(ch) * mm["height"] * mm["stretch"])
                row.append((ch, x, y, w, mm["height"], n))
                x += w + mm["gap"]
        rows.append((row, x - mm["gap"]))
    width = max(w for _, w in rows)
    align = mm.get("align", .5)
    shift = [(width - w) * align for _, w in rows]
    chars = [(c, x + shift[n], y, w, h, n) for n, (row, _) in enumerate(rows) for c, x, y, w, h, _ in row]
    marks = [(c, x + shift[n], y, n) for c, x, y, n in marks]
    return chars, marks, width, len(lines) * mm["height"] + (len(lines) - 1) * mm["line"]


def _seal(mask, c, scale, rng):
    """What stands between groups on the continent: a round seal, two of them, a coat of arms with or without a dash."""
    kind = rng.choice(["seal", "two seals", "two seals", "arms", "arms", "arms and dash", "shield"])
    x, y = c
    if kind == "seal":
        y += round(rng.uniform(-18, 18) * scale)
        cv2.circle(mask, (x, y), round(rng.uniform(10, 17) * scale), rng.randint(80, 220), max(1, round(5 * scale)), cv2.LINE_AA)
        cv2.circle(mask, (x, y), round(6 * scale), rng.randint(60, 200), -1, cv2.LINE_AA)
    elif kind == "two seals":
        for dy in (-21, 21):
            r = rng.uniform(11, 17) * scale
            cv2.circle(mask, (x, round(y + dy * scale)), round(r), rng.randint(60, 230), rng.choice([-1, max(1, round(4 * scale))]), cv2.LINE_AA)
            cv2.circle(mask, (x, round(y + dy * scale)), max(1, round(r * .5)), rng.randint(0, 255), -1, cv2.LINE_AA)
    elif kind == "shield":  # outlined, something in it
        w, h = rng.uniform(9, 16) * scale, rng.uniform(12, 24) * scale
        y += round(rng.uniform(-20, 20) * scale)
        shield = np.array([[-w, -h], [w, -h], [w, h * .3], [w * .5, h * .8], [0, h], [-w * .5, h * .8], [-w, h * .3]]) + [x, y]
        thick = max(1, round(rng.uniform(2, 5) * scale))
        cv2.polylines(mask, [shield.round().astype(np.int32)], True, rng.randint(90, 255), thick, cv2.LINE_AA)
        for _ in range(rng.randint(1, 4)):
            p = (round(x + rng.uniform(-.6, .6) * w), round(y + rng.uniform(-.8, .5) * h))
            r = (round(x + rng.uniform(-.6, .6) * w), round(y + rng.uniform(-.8, .5) * h))
            cv2.line(mask, p, r, rng.randint(60, 255), thick, cv2.LINE_AA)
    else:
        w, h = rng.uniform(9, 15) * scale, rng.uniform(13, 22) * scale
        top = y + rng.uniform(-30, -6) * scale if kind == "arms and dash" else y + rng.uniform(-22, 10) * scale
        shield = np.array([[-w, -h], [w, -h], [w, h * .2], [0, h], [-w, h * .2]]) + [x, top]
        cv2.fillPoly(mask, [shield.round().astype(np.int32)], rng.randint(70, 230), cv2.LINE_AA)
        for _ in range(rng.randint(1, 3)):
            p = (round(x + rng.uniform(-.7, .7) * w), round(top + rng.uniform(-.8, .5) * h))
            cv2.circle(mask, p, max(1, round(rng.uniform(.2, .5) * w)), rng.randint(0, 255), -1, cv2.LINE_AA)
        if kind == "arms and dash":
            cv2.rectangle(mask, (round(x - 8 * scale), round(top + h + 8 * scale)), (round(x + 8 * scale), round(top + h + 15 * scale)), 255, -1)


def _compose(chars, marks, font, offset, size, scale, back, ink, rng=None):
    """Paint characters on a plate of `size` mm at `scale` px a mm. Returns float32 BGR, ink mask, boxes."""
    w, h = max(8, round(size[0] * scale)), max(6, round(size[1] * scale))
    mask = np.zeros((h, w), np.uint8)
    boxes = []
    for ch, x, y, cw, chh, _ in chars:
        x0, y0 = round((x + offset[0]) * scale), round((y + offset[1]) * scale)
        gw, gh = max(1, round(cw * scale)), max(2, round(chh * scale))
        g = font.glyph(ch, gw, gh)
        part = mask[max(0, y0):y0 + gh, max(0, x0):x0 + gw]
        np.maximum(part, g[:part.shape[0], :part.shape[1]], out=part)
        boxes.append((x0, y0, x0 + gw, y0 + gh))
    for kind, x, y, _ in marks:
        c = (round((x + offset[0]) * scale), round((y + offset[1]) * scale))
        if kind == "-":
            cv2.rectangle(mask, (c[0] - round(9 * scale), c[1] - round(4 * scale)), (c[0] + round(9 * scale), c[1] + round(4 * scale)), 255, -1)
        else:
            _seal(mask, c, scale, rng)
    m = mask.astype(np.float32)[..., None] * (1 / 255)
    image = np.asarray(back, np.float32) * (1 - m) + np.asarray(ink, np.float32) * m
    return image, m, np.array(boxes, np.float32).reshape(-1, 4)


def _band(image, scale, rng, right=False, code=None, colour=None):
    """The left (or right) band with its flag or stars and country code; width 42 mm or so."""
    h, w = image.shape[:2]
    b = max(2, min(round(rng.uniform(36, 48) * scale), w // 6))
    x = w - b if right else 0
    blue = (rng.uniform(110, 190), rng.uniform(30, 80), rng.uniform(0, 40))
    image[:, x:x + b] = colour or blue
    code = code or rng.choice(["UK", "GB", "GB", "UK", "D", "F", "NL", "I", "E", "PL", "B", "CZ", "SK", "RO", "H", "IRL", "A", "P"])
    size = b / 34 * rng.uniform(.55, .85)
    cv2.putText(image, code, (x + round(b * (.12 if len(code) > 1 else .3)), h - round(h * rng.uniform(.06, .16))), cv2.FONT_HERSHEY_SIMPLEX, size,
                (235, 235, 235), max(1, round(size * rng.uniform(1.5, 3.2))), cv2.LINE_AA)
    top = (x + round(b * .15), round(h * .15)), (x + round(b * .85), round(h * .15 + b * .5))
    if code in ("UK", "GB") and rng.random() < .7:
        cv2.rectangle(image, *top, (150, 40, 10), -1)
        for p, q in ((top[0], top[1]), ((top[0][0], top[1][1]), (top[1][0], top[0][1]))):
            cv2.line(image, p, q, (240, 240, 240), max(1, round(6 * scale)), cv2.LINE_AA)
        mid = ((top[0][0] + top[1][0]) // 2, (top[0][1] + top[1][1]) // 2)
        for p, q in (((top[0][0], mid[1]), (top[1][0], mid[1])), ((mid[0], top[0][1]), (mid[0], top[1][1]))):
            cv2.line(image, p, q, (40, 30, 200), max(1, round(5 * scale)))
    else:
        cx, cy, r = x + b / 2, h * rng.uniform(.26, .38), b * rng.uniform(.24, .36)
        star = rng.choice([(30, 210, 235), (30, 210, 235), (230, 230, 230)])
        if rng.random() < .35:
            cv2.circle(image, (round(cx), round(cy)), max(1, round(r)), star, max(1, round(rng.uniform(2, 5) * scale)), cv2.LINE_AA)
        else:  # twelve stars
            for k in range(12):
                a = k * np.pi / 6
                cv2.circle(image, (round((cx + r * np.cos(a)) * 16), round((cy + r * np.sin(a)) * 16)), max(8, round(rng.uniform(2, 4) * scale * 16)), star, -1, cv2.LINE_AA, 4)
    return b


def _crest(image, at, scale, rng):
    """A coat of arms in colour beside the first line, as on Swiss plates."""
    w, h = rng.uniform(12, 18) * scale, rng.uniform(14, 22) * scale
    shield = lambda k: (np.array([[-w, -h], [w, -h], [w, h * .3], [w * .5, h * .8], [0, h], [-w * .5, h * .8], [-w, h * .3]]) * k + at).round().astype(np.int32)
    ground, charge = rng.sample([(50, 40, 200), (190, 90, 30), (235, 235, 235), (70, 190, 235), (60, 140, 40), (25, 25, 25)], 2)
    cv2.fillPoly(image, [shield(1)], [rng.randint(0, 60)] * 3 if rng.random() < .4 else charge, cv2.LINE_AA)
    cv2.fillPoly(image, [shield(.88)], ground, cv2.LINE_AA)
    u = rng.random()
    if u < .4:   # a cross
        for a, b in ((.5, .15), (.15, .5)):
            cv2.rectangle(image, (round(at[0] - a * w), round(at[1] - .1 * h - b * h)), (round(at[0] + a * w), round(at[1] - .1 * h + b * h)), charge, -1)
    elif u < .7:   # a half of another colour
        cut = shield(.88)
        cv2.fillPoly(image, [np.where(cut[:, :1] > at[0], [at[0], 0], cut * [1, 0]).astype(np.int32) + cut * [0, 1]], charge, cv2.LINE_AA)
    else:   # a beast
        for _ in range(rng.randint(2, 5)):
            p, q = ([round(at[k] + rng.uniform(-.6, .5) * (w, h)[k]) for k in (0, 1)] for _ in range(2))
            cv2.line(image, p, q, charge, max(1, round(rng.uniform(2, 6) * scale)), cv2.LINE_AA)


def _bolts(image, boxes, scale, rng):
    """Screws where they often are: on the characters, as dark as these, or capped in another colour."""
    v = rng.uniform(0, 70) if rng.random() < .7 else rng.uniform(70, 255)
    high = rng.uniform(0, 1)
    for x0, y0, x1, y1 in rng.sample(list(boxes), min(len(boxes), rng.choice([1, 2, 2]))):
        at = (round(rng.uniform(x0, x1)), round(y0 + (high + rng.gauss(0, .05)) * (y1 - y0)))
        cv2.circle(image, at, max(1, round(rng.uniform(3, 7) * scale)), (v, v, v), -1, cv2.LINE_AA)


def _dress(image, ink, scale, rng):
    """What a plate carries besides its registration: border, dealer's line, screws, dirt."""
    h, w = image.shape[:2]
    if rng.random() < .45:
        inset = round(rng.uniform(1, 6) * scale)
        cv2.rectangle(image, (inset, inset), (w - 1 - inset, h - 1 - inset), ink, max(1, round(rng.uniform(2, 5) * scale)))
    if rng.random() < .4:
        words = "".join(rng.choice(glyphs.CHARS[10:] + "   .") for _ in range(rng.randint(5, 26)))
        size = rng.uniform(.25, .5) * scale
        y = h - round(rng.uniform(1, 5) * scale) if rng.random() < .85 else round(9 * scale)
        cv2.putText(image, words, (round(rng.uniform(.05, .55) * w), y), cv2.FONT_HERSHEY_SIMPLEX, size, ink, max(1, round(size * 1.5)), cv2.LINE_AA)
    for _ in range(rng.choice([0, 0, 0, 2, 2, 4])):
        c = (round(rng.uniform(.03, .97) * w), round(rng.choice([rng.uniform(.05, .95), .5]) * h))
        v = rng.uniform(0, 255)
        cv2.circle(image, c, max(1, round(rng.uniform(3, 7) * scale)), (v, v, v), -1, cv2.LINE_AA)
    if rng.random() < .25:
        blot = np.zeros((rng.randint(2, 5), rng.randint(3, 12)), np.float32)
        cv2.randu(blot, -.5, 1)
        blot = cv2.resize(blot, (w, h), interpolation=cv2.INTER_CUBIC)[..., None].clip(0, 1)
        image *= 1 - rng.uniform(.2, .6) * blot


def _emboss(image, mask, rng, scale):
    """Raised (pressed, 3D, 4D) characters: a lit and a shaded edge."""
    d = max(1, round(2.5 * scale))
    m = mask[..., 0]
    edge = np.roll(np.roll(m, d, 1), d, 0) - np.roll(np.roll(m, -d, 1), -d, 0)
    image += edge[..., None] * rng.uniform(-60, 60)


def render(vrm, kind="front", two_line=False, rng=None, clean=False, scale=4.0, motorcycle=False):
    """Draw one British plate by the statutory dimensions, at `scale` px a mm.

    Returns (BGR uint8 image, corners TL TR BR BL as 4x2 float32). `clean` leaves out band, border,
    lettering and dirt; a space in `vrm` sets the groups, else its syntax does."""
    rng = rng or random.Random(0)
    cv2.setRNGSeed(rng.getrandbits(31))
    groups = vrm.upper().split() if " " in vrm.strip() else syntax.groups(vrm)
    mm = MOTORCYCLE if motorcycle else CAR
    font = Faces.get()["motorcycle" if motorcycle else "car"]
    if two_line and len(groups) == 1:
        half = (len(groups[0]) + 1) // 2
        groups = [groups[0][:half], groups[0][half:]]
    lines = [[groups[0]], groups[1:]] if two_line else [groups]
    chars, _, tw, th = _place(lines, font, mm)
    size = (229, 178) if motorcycle and two_line else (285, 203) if two_line else (520, 111)
    band = 0 if clean or two_line or rng.random() < .5 else 42
    size = (max(size[0], tw + 22 + band), max(size[1], th + 22))
    offset = (band + (size[0] - band - tw) / 2, (size[1] - th) / 2)
    image, _, _ = _compose(chars, [], font, offset, size, scale, YELLOW if kind == "rear" else WHITE, BLACK)
    if band:
        _band(image, scale, rng, code="UK", colour=(60, 150, 30) if rng.random() < .15 else None)
    if not clean:
        _dress(image, BLACK, scale, rng)
    image = image.clip(0, 255).astype(np.uint8)
    h, w = image.shape[:2]
    return image, np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)


def _colours(uk, rng):
    u = rng.random()
    if u < (.46 if uk else .5):
        v = rng.uniform(185, 250)
        back = [v + rng.uniform(-9, 9) for _ in range(3)]
    elif u < .9 if uk else u < .75:
        back = [rng.uniform(0, 100), rng.uniform(150, 215), rng.uniform(195, 255)]
    else:
        back = [rng.uniform(130, 250) for _ in range(3)]
    v = rng.uniform(5, 55)
    ink = [v, v, v] if rng.random() < .92 else [rng.uniform(0, 130) for _ in range(3)]
    if uk and rng.random() < .02:  # trade plates: red on white
        back, ink = [rng.uniform(190, 250)] * 3, [rng.uniform(20, 70), rng.uniform(10, 50), rng.uniform(130, 220)]
    if rng.random() < (.12 if uk else .17):
        v = rng.uniform(.6, 1)
        back, ink = ink, [c * v for c in back]
    return back, ink


def _alike(group, rng):
    """The group with more of the characters that are taken for one another: O D Q, B 8, H M N V W, G 6, S 5, Z 2, T J 1."""
    return "".join(rng.choice("ODQQBHMNWWVGSZTJ") if c.isalpha() and rng.random() < .45 else rng.choice("0868552") if c.isdigit() and rng.random() < .3 else c for c in group)


def random_plate(rng, scale=.5, uk=None, two_line=None, alike=0.0):
    """One plate of the training mixture, at `scale` px a mm; `alike` is the share of marks that are filled with look-alikes."""
    uk = rng.random() < .55 if uk is None else uk
    two_line = rng.random() < .32 if two_line is None else two_line
    groups = syntax.british(rng) if uk else syntax.european(rng)
    if rng.random() < alike:
        groups = [_alike(g, rng) for g in groups]
    faces = Faces.get()
    bike = two_line and rng.random() < .6
    if rng.random() < (.8 if uk else .06):
        font = rng.choice(faces["bikes"] if bike and rng.random() < .5 else faces["wright"])
    else:
        font = rng.choice(faces[rng.choice(["other", "other", "continental", "continental", "continental", "bent"])])
    base = MOTORCYCLE if bike else CAR
    mm = dict(base, width=(44 if bike else 50) * rng.uniform(.93, 1.06) * (1.14 if rng.random() < .1 else 1), stretch=rng.uniform(.85 if uk else .75, 1.12))
    mm["gap"] *= rng.uniform(.75, 1.3) if font.wright else rng.uniform(.5, 2)
    mm["group"] *= rng.uniform(.75, 1.25) if uk else rng.uniform(.4, 2)
    if uk and rng.random() < .05:
        mm["group"] = mm["gap"]  # badly spaced
    mm["line"] *= rng.uniform(.7, 1.5)
    dash = None if uk else rng.choice([None, None, None, "-", "-", "o", "o", "o"])
    if two_line:
        if len(groups) == 1:
            half = rng.randint(1, max(1, len(groups[0]) - 1))
            groups = [groups[0][:half], groups[0][half:]] if len(groups[0]) > 1 else [groups[0], rng.choice("123")]
        cut = 1 if len(groups) < 3 or rng.random() < .5 else 2
        lines = [groups[:cut], groups[cut:]]
        mm["align"] = rng.choice([.5, .5, .5, 0])
    else:
        lines = [groups]
    chars, marks, tw, th = _place(lines, font, mm, dash)
    if two_line:
        size = [tw + 22 + rng.expovariate(1 / 30), th + 22 + rng.expovariate(1 / 12)]
        if size[0] > 2.1 * size[1]:  # stays a two-line shape
            size[1] = size[0] / 2.1
    else:
        size = [max(tw + 22 + rng.uniform(0, 20), 520 * rng.choice([1, 1, 1, .85, .7])), 111 * rng.uniform(.92, 1.08)]
        if rng.random() < .25:
            size[0] = tw + rng.uniform(12, 40)
        if size[0] < 2.8 * size[1]:
            size[0] = 2.8 * size[1]
    band = 45 if rng.random() < ((.3 if not two_line else .05) if uk else .6) else 0
    right = 45 if not uk and not two_line and rng.random() < .15 else 0
    size[0] = max(size[0], tw + band + right + 14)
    crest = not uk and not band and rng.random() < .3
    if crest:
        size[0] = max(size[0], tw + 2 * 48)
    offset = (band + (size[0] - band - right - tw) * rng.uniform(.4, .6), (size[1] - th) * rng.uniform(.38, .62))
    back, ink = _colours(uk, rng)
    image, mask, boxes = _compose(chars, marks, font, offset, size, scale, back, ink, rng)
    if band:
        _band(image, scale, rng, colour=(50, 150, 30) if uk and rng.random() < .15 else None)
    if right:
        _band(image, scale, rng, right=True)
    if crest:
        top = boxes[:sum(1 for c in chars if c[5] == 0)]
        y, left, gone = (top[0, 1] + top[0, 3]) / 2, top[0, 0], top[-1, 2]
        ends = [(left - 22 * scale, y), (gone + 22 * scale, y)]
        for at in ends if rng.random() < .6 else ends[:1]:
            _crest(image, at, scale, rng)
    _dress(image, ink, scale, rng)
    if rng.random() < .12:
        _bolts(image, boxes, scale, rng)
    if rng.random() < .3:
        _emboss(image, mask, rng, scale)
    text = "".join(c[0] for c in chars)
    counts = [sum(1 for c in chars if c[5] == n) for n in range(len(lines))]
    return Plate(image.clip(0, 255).astype(np.uint8), text, boxes, counts)
