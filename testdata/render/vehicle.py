"""Vehicles: lofted bodies with glass, lamps, wheels and a plate.

A body is described from its near end (the one towards the camera) to its far
end, so a rear and a front view are two shapes of one kind.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from optics import fill, glow

PLATE_ONE_LINE = (0.520, 0.111)
PLATE_TWO_LINE = (0.285, 0.203)
PLATE_MOTORCYCLE = (0.229, 0.178)


@dataclass
class Shape:
    """Heights and lengths of a body in metres, from the near end."""

    width: float
    length: float
    sill: float  # lower edge of the near face
    face: float  # upper edge of the near face
    belt: float  # lower edge of the side windows
    roof: float
    glass: tuple  # near glass: (z bottom, z top)
    far: tuple  # far glass: (z top, z bottom)
    tail: float  # height of the far end
    lamps: tuple  # (x inner, x outer, y low, y high)
    plate: float  # height of the plate's middle
    grille: tuple = ()  # (half width, y low, y high)
    wheels: tuple = (0.75, 3.3)


SHAPES = {
    ("hatch", "rear"): Shape(1.76, 4.0, 0.27, 0.96, 0.96, 1.46, (0.08, 0.62), (2.55, 3.25), 0.78, (0.52, 0.80, 0.72, 0.98), 0.76, wheels=(0.62, 3.15)),
    ("hatch", "front"): Shape(1.76, 4.0, 0.22, 0.74, 0.95, 1.46, (0.95, 1.65), (3.4, 3.92), 0.92, (0.46, 0.78, 0.58, 0.74), 0.40, (0.42, 0.52, 0.66), (0.82, 3.35)),
    ("saloon", "rear"): Shape(1.82, 4.6, 0.27, 0.98, 0.98, 1.43, (0.75, 1.35), (2.7, 3.5), 0.78, (0.50, 0.83, 0.74, 0.93), 0.82, wheels=(0.95, 3.75)),
    ("saloon", "front"): Shape(1.82, 4.6, 0.22, 0.73, 0.96, 1.43, (1.1, 1.85), (3.2, 3.85), 0.95, (0.48, 0.82, 0.58, 0.72), 0.38, (0.40, 0.50, 0.68), (0.85, 3.65)),
    ("suv", "rear"): Shape(1.90, 4.5, 0.34, 1.08, 1.08, 1.70, (0.08, 0.45), (2.9, 3.5), 0.95, (0.62, 0.88, 0.85, 1.25), 0.86, wheels=(0.80, 3.60)),
    ("suv", "front"): Shape(1.90, 4.5, 0.30, 0.93, 1.10, 1.70, (1.05, 1.65), (3.9, 4.4), 1.05, (0.55, 0.86, 0.74, 0.92), 0.52, (0.50, 0.64, 0.84), (0.90, 3.70)),
    ("van", "rear"): Shape(1.98, 4.9, 0.36, 1.12, 1.12, 1.98, (0.02, 0.12), (3.6, 4.2), 1.10, (0.82, 0.96, 0.75, 1.20), 0.62, wheels=(0.90, 3.95)),
    ("van", "front"): Shape(1.98, 4.9, 0.28, 1.02, 1.22, 1.98, (0.65, 1.35), (4.7, 4.88), 1.20, (0.60, 0.90, 0.80, 1.00), 0.50, (0.50, 0.62, 0.90), (0.90, 3.95)),
}


@dataclass
class Vehicle:
    """One vehicle; x and z are the middle and the near end of it on the road."""

    kind: str
    facing: str  # rear or front: the end that is seen
    colour: tuple  # BGR, linear
    vrm: str
    texture: np.ndarray  # the plate's picture
    corners: np.ndarray  # the plate in it, clockwise from top left
    size: tuple = PLATE_ONE_LINE
    x: float = 0.0
    z: float = 30.0
    turn: float = 0.0  # degrees about its near end, positive: its far end goes right
    brake: float = 0.0
    shape: Shape = field(init=False, default=None)

    def __post_init__(self):
        self.shape = SHAPES.get((self.kind, self.facing))

    def place(self, points):
        """Points of the body on the road."""
        p = np.atleast_2d(np.asarray(points, float))
        a = math.radians(self.turn)
        turned = np.stack([p[:, 0] * math.cos(a) + p[:, 2] * math.sin(a), p[:, 1], p[:, 2] * math.cos(a) - p[:, 0] * math.sin(a)], 1)
        return turned + [self.x, 0, self.z]

    def plate_corners(self):
        w, h = self.size
        y = self.shape.plate if self.shape else 0.72
        z = surface(self.shape, 0.0, y)[2] - 0.035 if self.shape else -0.02
        return self.place([(-w / 2, y + h / 2, z), (w / 2, y + h / 2, z), (w / 2, y - h / 2, z), (-w / 2, y - h / 2, z)])


def surface(s, x, y):
    """The near face: bulging, with round corners."""
    side = max(0.0, abs(x) / (s.width / 2) - 0.62) / 0.38
    height = (y - s.sill) / (s.face - s.sill)
    z = 0.20 * side ** 2.4 + 0.05 * abs(height - 0.38) ** 1.5 + 0.10 * max(0.0, height - 0.8)
    return (x, y, z)


class Canvas:
    """A part of the image in which one vehicle is drawn larger, with its matte."""

    def __init__(self, vehicle, camera, light, box, scale):
        self.v, self.camera, self.light, self.scale = vehicle, camera, light, scale
        self.x, self.y, w, h = box
        self.colour = np.zeros((h * scale, w * scale, 3), np.float32)
        self.matte = np.zeros((h * scale, w * scale), np.float32)

    def pixels(self, points):
        return (self.camera.project(self.v.place(points)) - [self.x, self.y]) * self.scale

    def polygon(self, points, colour):
        p = np.round(np.clip(self.pixels(points), -20000, 20000) * 16).astype(np.int32)
        cv2.fillPoly(self.colour, [p], [float(c) for c in colour], cv2.LINE_8, 4)
        cv2.fillPoly(self.matte, [p], 1.0, cv2.LINE_8, 4)

    def panel(self, points, colour, gloss=0.055):
        """A polygon lit by its own direction; what faces away is not drawn."""
        placed = self.v.place(points)
        normal = np.cross(placed[1] - placed[0], placed[-1] - placed[0])
        normal = normal / (np.linalg.norm(normal) or 1)
        view = placed.mean(0) - [self.camera.aside, self.camera.above, 0]
        if normal @ view > 0:
            normal = -normal
        lit = self.light.on(colour, normal)
        # Paint and glass mirror what stands behind the camera: sky above, road below.
        view = view / np.linalg.norm(view)
        mirrored = (view - 2 * (view @ normal) * normal)[1]
        sky = self.light.horizon * (0.25 + 0.75 * np.clip(mirrored * 2.5 + 0.3, 0, 1))
        fresnel = gloss * (1 + 4 * (1 - abs(view @ normal)) ** 3)
        beam = self.light.lamps * 0.20 * max(0.0, -normal[2]) * math.exp(-((placed[:, 2].mean() / 22) ** 2))
        self.polygon(points, lit * (1 - fresnel) + sky * fresnel + beam * np.asarray(colour))


def paint(image, owner, camera, light, v, number, blur=(0.0, 0.0)):
    """Paints v into image and its number into owner, number + 1 where its plate is."""
    shadow(image, camera, light, v)
    extent = camera.project(v.place([(x, y, z) for x in (-1.1, 1.1) for y in (0, 2.2) for z in (-0.1, 5)]))
    low = np.floor(extent.min(0)).astype(int) - 4
    high = np.ceil(extent.max(0)).astype(int) + 4
    low = np.maximum(low, [-300, -300])
    high = np.minimum(high, [camera.width + 300, camera.height + 300])
    if (high - low < 2).any():
        return
    scale = 3 if (high - low).max() < 700 else 2
    canvas = Canvas(v, camera, light, (low[0], low[1], *(high - low)), scale)
    if v.kind == "motorcycle":
        motorcycle(canvas)
    else:
        body(canvas)
        face(canvas)
    plate(canvas)
    merge(image, owner, canvas, number, blur)
    lamps(image, camera, light, v)


def shadow(image, camera, light, v):
    half, long = (0.35, 2.0) if v.kind == "motorcycle" else (v.shape.width / 2, v.shape.length)
    for grow, dark in ((0.35, 0.82), (0.15, 0.70), (-0.05, 0.55)):
        ring = [(-half - grow, 0.01, -grow * 0.6), (half + grow, 0.01, -grow * 0.6), (half + grow, 0.01, long + grow), (-half - grow, 0.01, long + grow)]
        ring = camera.project(np.maximum(v.place(ring), [-99, 0, 1.0]))
        rows = np.s_[max(0, int(ring[:, 1].min()) - 2) : int(ring[:, 1].max()) + 3]
        if image[rows].size == 0:
            continue
        mask = np.zeros(image[rows].shape[:2], np.float32)
        fill(mask, ring - [0, rows.start], [1.0])
        image[rows] *= (1 - (1 - dark) * (0.4 + 0.6 * light.day) * mask)[..., None]


def body(c):
    s, colour = c.v.shape, np.asarray(c.v.colour)
    half, glass = s.width / 2, [0.030, 0.030, 0.028]
    cabin = half * 0.76 if c.v.kind != "van" else half * 0.90
    for x in (-half * 0.82, half * 0.82):  # tyres under the near end
        at = s.wheels[0] - 0.30
        c.panel([(x - 0.10, 0.0, at), (x + 0.10, 0.0, at), (x + 0.10, 0.5, at), (x - 0.10, 0.5, at)], [0.012] * 3, 0.01)
    c.panel([(-half * 0.8, 0.14, 0.35), (half * 0.8, 0.14, 0.35), (half * 0.8, s.sill + 0.1, 0.3), (-half * 0.8, s.sill + 0.1, 0.3)], [0.01] * 3, 0.0)

    # Top of the body from the near face to the far end, then its sides.
    line = [(0.12, s.face), (s.glass[0], s.belt), (s.far[1], s.belt), (s.length, s.tail)]
    for side in (-1, 1):
        x = side * half
        lower = [(0.22, 0.22), (s.length * 0.97, 0.22)]
        upper = [(z, y) for z, y in line]
        ring = [(x * 0.97, y, z) for z, y in lower] + [(x * 0.97, y, z) for z, y in reversed(upper)]
        c.panel(ring, colour)
        c.panel([(x, 0.52, 0.24), (x, 0.52, s.length * 0.98), (x, 0.86 * s.belt, s.length * 0.98), (x, 0.86 * s.face, 0.24)], colour * 1.05)
        for w in s.wheels:
            for radius, tone in ((0.36, 0.008), (0.31, 0.015), (0.20, 0.16)):
                c.panel([(x * 1.01, 0.31 + radius * math.sin(a), w + radius * math.cos(a)) for a in np.arange(0, 6.28, 0.35)], [tone] * 3, 0.02)
    for n, ((z0, y0), (z1, y1)) in enumerate(zip(line, line[1:])):
        for i in range(6):
            x0, x1 = half * 0.95 * (i / 3 - 1), half * 0.95 * ((i + 1) / 3 - 1)
            crown = lambda x: 0.035 * (1 - (x / half) ** 2)
            if n == 0:  # meets the near face
                c.panel([surface(s, x0, s.face - 0.01), surface(s, x1, s.face - 0.01), (x1, y0 + crown(x1), z0 + 0.2), (x0, y0 + crown(x0), z0 + 0.2)], colour, 0.12)
            c.panel([(x0, y0 + crown(x0), z0), (x1, y0 + crown(x1), z0), (x1, y1 + crown(x1), z1), (x0, y1 + crown(x0), z1)], colour, 0.12)

    # Cabin: sides with their windows, roof, then the near glass.
    for side in (-1, 1):
        b, t = side * half * 0.95, side * cabin
        c.panel([(b, s.belt, s.glass[0]), (t, s.roof, s.glass[1]), (t, s.roof, s.far[0]), (b, s.belt, s.far[1])], colour)
        if c.v.kind == "van" and c.v.facing == "rear":
            continue
        m, n = b * 0.985 + t * 0.015, b * 0.12 + t * 0.88
        c.panel([(m, s.belt + 0.05, s.glass[0] + 0.35), (n, s.roof - 0.08, s.glass[1] + 0.15), (n, s.roof - 0.08, s.far[0] - 0.1), (m, s.belt + 0.05, s.far[1] - 0.3)], glass, 0.12)
    for i in range(6):
        x0, x1 = cabin * (i / 3 - 1), cabin * ((i + 1) / 3 - 1)
        crown = lambda x: 0.045 * (1 - (x / cabin) ** 2)
        c.panel([(x0, s.roof + crown(x0), s.glass[1]), (x1, s.roof + crown(x1), s.glass[1]), (x1, s.roof + crown(x1), s.far[0]), (x0, s.roof + crown(x0), s.far[0])], colour, 0.2)
    near_glass(c, half, cabin, colour, glass)


def near_glass(c, half, cabin, colour, glass):
    s = c.v.shape
    wall = lambda u, h: (u * (half * 0.95 * (1 - h) + cabin * h), s.belt + (s.roof + 0.02 - s.belt) * h, s.glass[0] + (s.glass[1] - s.glass[0]) * h)
    c.panel([wall(-1, 0), wall(1, 0), wall(1, 1), wall(-1, 1)], colour)
    if c.v.kind == "van" and c.v.facing == "rear":
        for a, b in ((-0.86, -0.08), (0.08, 0.86)):
            c.panel([wall(a, 0.18), wall(b, 0.18), wall(b, 0.72), wall(a, 0.72)], glass, 0.14)
        return
    levels = [0.06, 0.35, 0.65, 0.92]
    for low, high in zip(levels, levels[1:]):  # lighter towards the sky that it mirrors
        tone = np.asarray(glass) * (1 + 1.2 * high)
        c.panel([wall(-0.90, low), wall(0.90, low), wall(0.90, high), wall(-0.90, high)], tone, 0.05 + 0.16 * high)
    for seat in (-0.48, 0.48):  # headrests behind it
        c.panel([wall(seat - 0.13, 0.25), wall(seat + 0.13, 0.25), wall(seat + 0.11, 0.62), wall(seat - 0.11, 0.62)], [0.012] * 3, 0.08)
    if c.v.facing == "front":
        c.panel([wall(-0.10, 0.78), wall(0.10, 0.78), wall(0.10, 0.88), wall(-0.10, 0.88)], [0.01] * 3, 0.05)


def face(c):
    s, colour = c.v.shape, np.asarray(c.v.colour)
    half = s.width / 2
    xs, ys = np.linspace(-half, half, 15), np.linspace(s.sill, s.face, 9)
    for x0, x1 in zip(xs, xs[1:]):
        for y0, y1 in zip(ys, ys[1:]):
            tone = colour if y0 > s.sill + 0.16 else colour * 0.25 + 0.01
            c.panel([surface(s, x0, y0), surface(s, x1, y0), surface(s, x1, y1), surface(s, x0, y1)], tone)

    def on(points, tone, gloss=0.08):
        c.panel([np.array(surface(s, x, y)) - [0, 0, 0.012] for x, y in points], tone, gloss)

    def band(x0, x1, y0, y1, tone, gloss=0.08, steps=6):
        edge = np.linspace(x0, x1, steps)
        on([(x, y0) for x in edge] + [(x, y1) for x in edge[::-1]], tone, gloss)

    band(-half * 0.9, half * 0.9, s.sill + 0.165, s.sill + 0.175, [0.01] * 3)
    if c.v.facing == "rear":
        seam = s.plate - 0.22 if s.plate > 0.7 else s.plate + 0.22
        band(-half * 0.93, half * 0.93, seam, seam + 0.012, colour * 0.2)
        band(-0.36, 0.36, s.plate - 0.10, s.plate + 0.12, colour * 0.55)  # the recess of the plate
        band(-0.20, 0.20, s.plate + 0.125, s.plate + 0.150, [0.25] * 3, 0.4)
        if c.v.kind == "van":
            on([(-0.008, s.sill + 0.2), (0.008, s.sill + 0.2), (0.008, s.face), (-0.008, s.face)], [0.01] * 3)
    else:
        w, low, high = s.grille
        band(-w, w, low, high, [0.012] * 3)
        for y in np.linspace(low, high, 5)[1:-1]:
            band(-w, w, y, y + 0.010, [0.20] * 3, 0.4)
        band(-half * 0.62, half * 0.62, s.sill + 0.02, s.sill + 0.11, [0.010] * 3)
    inner, outer, low, high = s.lamps
    for side in (-1, 1):
        shape = [(side * inner, low + 0.02), (side * (inner + outer) / 2, low), (side * outer, low + 0.03), (side * outer, high), (side * (inner + 0.05), high - 0.03)]
        if c.v.facing == "rear":
            on(shape, [0.02, 0.02, 0.30], 0.15)
            on([(side * (inner + 0.05), high - 0.12), (side * outer, high - 0.12), (side * outer, high - 0.08), (side * (inner + 0.05), high - 0.08)], [0.40, 0.45, 0.55], 0.2)
        else:
            on(shape, [0.10, 0.10, 0.10], 0.35)
            middle = (side * (inner + outer) / 2, (low + high) / 2)
            on([(middle[0] + 0.07 * math.cos(a), middle[1] + 0.06 * math.sin(a)) for a in np.arange(0, 6.28, 0.6)], [0.75, 0.75, 0.72], 0.4)


def motorcycle(c):
    black, skin = [0.012] * 3, [0.03, 0.03, 0.035]
    ring = lambda x, y, z, rx, ry: [(x + rx * math.cos(a), y + ry * math.sin(a), z) for a in np.arange(0, 6.28, 0.3)]
    c.panel(ring(0, 0.31, 0.15, 0.085, 0.31), black, 0.02)
    c.panel([(-0.11, 0.45, 0.1), (0.11, 0.45, 0.1), (0.15, 0.86, 0.2), (-0.15, 0.86, 0.2)], c.v.colour, 0.2)
    c.panel([(-0.38, 1.02, 1.1), (0.38, 1.02, 1.1), (0.38, 1.06, 1.1), (-0.38, 1.06, 1.1)], black, 0.1)
    for side in (-1, 1):
        c.panel([(side * 0.12, 0.85, 0.5), (side * 0.30, 0.75, 0.6), (side * 0.26, 0.30, 0.6), (side * 0.15, 0.30, 0.6)], black, 0.03)
        c.panel([(side * 0.20, 1.35, 0.6), (side * 0.36, 1.25, 0.7), (side * 0.38, 1.05, 1.0), (side * 0.28, 1.05, 0.9)], skin, 0.05)
        c.panel(ring(side * 0.27, 0.42, 0.05, 0.05, 0.06), [0.22] * 3, 0.4)
    c.panel([(-0.20, 0.85, 0.4), (0.20, 0.85, 0.4), (0.26, 1.38, 0.5), (0.12, 1.48, 0.5), (-0.12, 1.48, 0.5), (-0.26, 1.38, 0.5)], skin, 0.05)
    c.panel(ring(0, 1.62, 0.5, 0.14, 0.17), np.asarray(c.v.colour) * 0.8, 0.25)
    c.panel([(-0.09, 0.86, 0.02), (0.09, 0.86, 0.02), (0.07, 0.92, 0.02), (-0.07, 0.92, 0.02)], [0.02, 0.02, 0.35], 0.2)
    c.panel([(-0.125, 0.62, 0.0), (0.125, 0.62, 0.0), (0.125, 0.83, 0.0), (-0.125, 0.83, 0.0)], black, 0.05)


def plate(c):
    """Warps the plate's picture onto the body: it throws back what light falls on it."""
    v, light = c.v, c.light
    target = ((c.camera.project(v.plate_corners()) - [c.x, c.y]) * c.scale).astype(np.float32)
    source = np.asarray(v.corners, np.float32)
    shrink = np.linalg.norm(target[1] - target[0]) / np.linalg.norm(source[1] - source[0])
    texture = v.texture.astype(np.float32) / 255
    if shrink < 0.5:
        texture = cv2.resize(texture, None, fx=2 * shrink, fy=2 * shrink, interpolation=cv2.INTER_AREA)
        source = (source + 0.5) * 2 * shrink - 0.5
    texture = texture ** 2.2
    m = cv2.getPerspectiveTransform(source, target)
    h, w = c.matte.shape
    warped = cv2.warpPerspective(texture, m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [np.round(target * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    normal = np.array([0.0, 0.0, -1.0])
    own = light.lamps * (0.05 if v.facing == "rear" else 0.0)
    beam = light.lamps * 0.26 * math.exp(-((v.z / 30) ** 2))
    lit = light.on([1.25, 1.25, 1.25], normal) + own + beam
    inside = mask > 0
    c.colour[inside] = (warped * lit)[inside]
    c.plate = mask


def merge(image, owner, c, number, blur):
    size = (c.matte.shape[1] // c.scale, c.matte.shape[0] // c.scale)
    colour = cv2.resize(c.colour * c.matte[..., None], size, interpolation=cv2.INTER_AREA)
    matte = cv2.resize(c.matte, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(c.plate, size, interpolation=cv2.INTER_NEAREST)
    length = math.hypot(*blur)
    if length > 0.3:  # the way it moved while the shutter was open
        n = 2 * int(math.ceil(length / 2)) + 3
        kernel = np.zeros((n, n), np.float32)
        for t in np.linspace(-0.5, 0.5, 33):
            x, y = n // 2 + blur[0] * t, n // 2 + blur[1] * t
            kernel += np.maximum(0, 1 - np.abs(np.arange(n) - x))[None] * np.maximum(0, 1 - np.abs(np.arange(n) - y))[:, None]
        kernel /= kernel.sum()
        colour, matte = cv2.filter2D(colour, -1, kernel), cv2.filter2D(matte, -1, kernel)
    h, w = image.shape[:2]
    x0, y0, x1, y1 = max(c.x, 0), max(c.y, 0), min(c.x + size[0], w), min(c.y + size[1], h)
    if x0 >= x1 or y0 >= y1:
        return
    part = np.s_[y0 - c.y : y1 - c.y, x0 - c.x : x1 - c.x]
    view = image[y0:y1, x0:x1]
    view *= 1 - matte[part][..., None]
    view += colour[part]
    area = owner[y0:y1, x0:x1]
    area[matte[part] > 0.5] = number
    area[seen[part] > 0] = number + 1


def lamps(image, camera, light, v):
    """The light of lamps that are on, with the halo a lens gives them."""
    bright = max(light.lamps, v.brake * 0.5)
    if bright <= 0 or v.z < 1.5:
        return
    size = camera.focal / v.z
    if v.shape is None:
        if v.facing == "rear":
            glow(image, camera.project(v.place([(0, 0.89, 0)]))[0], 0.07 * size, bright * np.array([0.05, 0.05, 0.8]))
        return
    inner, outer, low, high = v.shape.lamps
    for side in (-1, 1):
        at = camera.project(v.place([surface(v.shape, side * (inner + outer) / 2, (low + high) / 2)]))[0]
        if v.facing == "rear":
            glow(image, at, 0.10 * size, (0.35 * light.lamps + 0.5 * v.brake) * np.array([0.06, 0.08, 0.95]))
        else:
            glow(image, at, 0.10 * size, bright * np.array([1.0, 1.1, 1.1]))
