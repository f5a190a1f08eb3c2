"""The road and what stands beside it, as a camera that drives along sees it."""

import math

import cv2
import numpy as np

from optics import fill, glow

ROAD_LEFT, ROAD_RIGHT = -3.9, 5.1  # kerbs, seen from the nearside lane
CENTRE_LINE = 1.7


class Road:
    """Ground, verges and what stands beside them. The same rng, the same road."""

    def __init__(self, camera, rng):
        self.camera = camera
        rays = camera.rays()
        self.up = np.clip(3.2 * rays[..., 1] / np.linalg.norm(rays, axis=2), 0, 1).astype(np.float32)[..., None]
        self.horizon = int(np.argmax((rays[..., 1] < -1e-3).all(axis=1)))  # the first row that is all ground
        down = rays[self.horizon :]
        scale = camera.above / -down[..., 1]
        self.x = (down[..., 0] * scale + camera.aside).astype(np.float32)
        self.z = np.minimum(down[..., 2] * scale, 4000).astype(np.float32)
        self.grain = cv2.GaussianBlur(rng.normal(0, 1, (512, 512)).astype(np.float32), (0, 0), 0.7)
        self.patches = cv2.GaussianBlur(rng.normal(0, 12, (512, 512)).astype(np.float32), (0, 0), 14)
        self.things = self._roadside(rng)

    def _roadside(self, rng):
        """Houses, hedges, trees and lamp posts along a kilometre: (kind, side, z, size, colour)."""
        things = []
        for side in (-1, 1):
            z = 5.0
            while z < 1000:
                kind = rng.choice(["house", "hedge", "tree", "gap"], p=[0.42, 0.33, 0.15, 0.10])
                length = {"house": rng.uniform(9, 14), "hedge": rng.uniform(8, 20), "tree": 5, "gap": rng.uniform(4, 9)}[kind]
                colour = {
                    "house": [[0.16, 0.22, 0.36], [0.45, 0.50, 0.55], [0.22, 0.30, 0.44], [0.36, 0.42, 0.48]][rng.integers(4)],
                    "hedge": [0.05, 0.13 + rng.uniform(0, 0.05), 0.07],
                    "tree": [0.04, 0.10 + rng.uniform(0, 0.05), 0.06],
                    "gap": None,
                }[kind]
                things.append((kind, side, z, length, colour, rng.integers(1 << 30)))
                z += length + rng.uniform(0.5, 2.5)
            things += [("post", side, z, 0.2, [0.2, 0.2, 0.2], 0) for z in np.arange(14 + 9 * side, 1000, 34)]
        return sorted(things, key=lambda t: -t[2])

    def paint(self, image, light, travelled):
        """Sky and ground as seen after travelled metres, then the roadside."""
        horizon, zenith = np.float32(light.horizon), np.float32(light.zenith)
        image[:] = horizon * (1 - self.up) + zenith * self.up
        x, z, along = self.x, self.z, self.z + np.float32(travelled)

        def lookup(tile, k):
            return cv2.remap(tile, x * k % 512, along * k % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

        texture = lookup(self.grain, 37) * np.clip(14 / z, 0, 1) * 0.16 + lookup(self.patches, 5) * 0.10
        shade = np.empty((*x.shape, 3), np.float32)
        shade[:] = [0.10, 0.21, 0.14]  # grass
        shade[(x > ROAD_LEFT - 2.0) & (x < ROAD_RIGHT + 2.0)] = [0.32, 0.33, 0.34]  # pavement
        shade[(x > ROAD_LEFT - 0.15) & (x < ROAD_RIGHT + 0.15)] = [0.45, 0.46, 0.47]  # kerb
        shade[(x > ROAD_LEFT) & (x < ROAD_RIGHT)] = [0.155, 0.150, 0.150]
        shade[(np.abs(x - CENTRE_LINE) < 0.055) & (along % 6.0 < 4.0) & (z < 160)] = [0.72, 0.74, 0.75]
        shade[(np.abs(x - ROAD_RIGHT + 0.3) < 0.045) & (z < 160)] = [0.10, 0.50, 0.62]
        shade *= (1 + texture)[..., None]
        beam = np.float32(0.35 * light.lamps) * np.exp(-((x / 2.4) ** 2) - (np.maximum(z - 11, 0) / 14) ** 2) * (z > 4)
        shade *= np.float32(light.on([1, 1, 1], np.array([0, 1.0, 0]))) + beam[..., None]
        haze = np.clip(z / 900, 0, 0.85)[..., None]
        image[self.horizon :] = shade * (1 - haze) + horizon * np.float32(0.9) * haze
        self._beside(image, light, travelled)

    def _beside(self, image, light, travelled):
        for kind, side, at, size, colour, seed in self.things:
            z = at - travelled
            if kind == "gap" or z + size < 3 or z > 240:
                continue
            near = max(z, 3.0)
            edge = ROAD_RIGHT + 2.6 if side > 0 else ROAD_LEFT - 2.6
            painter = {"house": self._house, "hedge": self._hedge, "tree": self._tree, "post": self._post}[kind]
            painter(image, light, side, edge, near, z + size, z, np.array(colour), seed)

    def _quad(self, image, light, points, colour, normal):
        haze = min(0.8, max(p[2] for p in points) / 420)
        value = light.on(colour, np.array(normal, float)) * (1 - haze) + light.horizon * 0.9 * haze
        fill(image, self.camera.project(points), value)

    def _house(self, image, light, side, edge, near, far, start, colour, seed):
        rng = np.random.default_rng(seed)
        x, top, facing = edge + side * 4.5, rng.uniform(5.0, 6.0), [-side, 0, 0]
        if near >= start:  # the gable towards us
            gable = [(x, 0, near), (x + side * 7, 0, near), (x + side * 7, top, near), (x + side * 3.5, top + 2.6, near), (x, top, near)]
            self._quad(image, light, gable, colour * 0.8, [0, 0, -1])
        self._quad(image, light, [(x, 0, near), (x, 0, far), (x, top, far), (x, top, near)], colour, facing)
        roof = [(x, top, near), (x, top, far), (x + side * 3.5, top + 2.6, far), (x + side * 3.5, top + 2.6, near)]
        self._quad(image, light, roof, [0.13, 0.14, 0.19], [-side * 0.6, 0.8, 0])
        for row in (0.9, 3.2):
            for at in np.arange(start + 1.2, far - 1.8, 2.9):
                if at > near:
                    lamp = light.lamps * (rng.random() < 0.5)
                    pane = [(x, row, at), (x, row, at + 1.3), (x, row + 1.3, at + 1.3), (x, row + 1.3, at)]
                    self._quad(image, light, pane, [0.16, 0.14, 0.12], facing)
                    if lamp > 0:
                        fill(image, self.camera.project(pane), lamp * np.array([0.12, 0.30, 0.45]))

    def _hedge(self, image, light, side, edge, near, far, start, colour, seed):
        rng = np.random.default_rng(seed)
        stations = np.append(np.arange(start, far, 1.0), far)
        tops = 1.5 + rng.uniform(-0.12, 0.12, len(stations))
        for i in range(len(stations) - 1, 0, -1):
            a, b = max(stations[i - 1], 3.0), stations[i]
            if b > a:
                tone = colour * (0.9 + 0.2 * (tops[i] - 1.4))
                self._quad(image, light, [(edge, 0, a), (edge, 0, b), (edge, tops[i], b), (edge, tops[i - 1], a)], tone, [-side, 0.1, 0])
        self._quad(image, light, [(edge, 0, near), (edge + side * 1.2, 0, near), (edge + side * 1.2, 1.5, near), (edge, 1.5, near)], colour * 0.8, [0, 0, -1])

    def _tree(self, image, light, side, edge, near, far, start, colour, seed):
        rng = np.random.default_rng(seed)
        x, z = edge + side * 1.5, max(start + 2, 3.0)
        self._quad(image, light, [(x - 0.15, 0, z), (x + 0.15, 0, z), (x + 0.12, 3, z), (x - 0.12, 3, z)], [0.10, 0.13, 0.17], [0, 0, -1])
        for _ in range(26):
            dx, dy, r = rng.normal(0, 1.0), rng.normal(4.6, 1.0), rng.uniform(0.5, 1.0)
            ring = [(x + dx + r * math.cos(a), dy + r * math.sin(a), z) for a in np.arange(0, 6.28, 0.7)]
            self._quad(image, light, ring, colour * rng.uniform(0.6, 1.2), [0, 0.5 + 0.1 * dy, -0.5])

    def _post(self, image, light, side, edge, near, far, start, colour, seed):
        x = edge - side * 2.2
        self._quad(image, light, [(x - 0.07, 0, near), (x + 0.07, 0, near), (x + 0.05, 7, near), (x - 0.05, 7, near)], colour, [0, 0, -1])
        self._quad(image, light, [(x, 7, near), (x - side * 1.6, 7.15, near), (x - side * 1.6, 7.05, near), (x, 6.9, near)], colour, [0, 0, -1])
        if light.lamps > 0 and near > 4:
            at = self.camera.project([(x - side * 1.4, 7.0, near)])[0]
            glow(image, at, 0.25 * self.camera.focal / near, light.lamps * 0.8 * np.array([0.35, 0.70, 1.0]))
