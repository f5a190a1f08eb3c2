"""Camera, light and lens: what turns a place on the road into pixels.

Metres, x to the right, y up, z away from the camera; the ground is y = 0.
Colours are BGR in linear light until finish() makes 8-bit of them.
"""

import math

import cv2
import numpy as np

SUN = np.array([-0.45, 0.75, -0.48])


class Camera:
    """A pinhole camera that looks along +z from height metres."""

    def __init__(self, width=1280, height=720, focal=2000.0, above=1.35, pitch=0.0, pan=0.0, aside=0.0):
        self.width, self.height, self.focal = width, height, focal
        self.above, self.aside = above, aside
        p, y = math.radians(pitch), math.radians(pan)
        tilt = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
        turn = np.array([[math.cos(y), 0, -math.sin(y)], [0, 1, 0], [math.sin(y), 0, math.cos(y)]])
        self.rotation = tilt @ turn

    def project(self, points):
        """Pixels of points (n x 3); the caller keeps them in front of the camera."""
        p = (np.asarray(points, float) - [self.aside, self.above, 0]) @ self.rotation.T
        z = np.maximum(p[:, 2], 0.05)
        return np.stack([self.width / 2 + self.focal * p[:, 0] / z, self.height / 2 - self.focal * p[:, 1] / z], 1)

    def rays(self):
        """Direction of every pixel, height x width x 3."""
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        d = np.stack([(x - self.width / 2) / self.focal, (self.height / 2 - y) / self.focal, np.ones_like(x)], 2)
        return d @ self.rotation


class Light:
    """How light it is: day 1 to dusk 0, and the colours that follow from it."""

    def __init__(self, day):
        self.day = day
        dusk = 1 - day
        mix = lambda a, b: np.array(a) * day + np.array(b) * dusk
        self.zenith = mix([0.72, 0.52, 0.38], [0.060, 0.035, 0.026])  # BGR, linear
        self.horizon = mix([0.80, 0.74, 0.68], [0.045, 0.075, 0.150])
        self.ambient = mix([0.42, 0.38, 0.34], [0.040, 0.034, 0.032])
        self.sun = mix([0.50, 0.58, 0.64], [0.0, 0.0, 0.0])
        # Vehicles have their lamps on before it is dark.
        self.lamps = float(np.clip((0.75 - day) / 0.4, 0, 1))

    def on(self, colour, normal):
        """Light that a matt surface gives back."""
        facing = max(0.0, float(normal @ SUN))
        sky = 0.6 + 0.4 * float(normal[1])
        return np.asarray(colour) * (self.ambient * sky + self.sun * facing)


def fill(image, points, colour, scale=1):
    """A filled polygon with soft edges, in pixels times scale."""
    p = np.clip(np.asarray(points) * scale, -20000, 20000)
    cv2.fillPoly(image, [np.round(p * 16).astype(np.int32)], [float(c) for c in colour], cv2.LINE_AA, 4)


def glow(image, at, radius, colour):
    """Adds light around a point, as a lens does."""
    h, w = image.shape[:2]
    reach = int(min(radius * 4, 500)) + 1
    x0, x1 = max(0, int(at[0]) - reach), min(w, int(at[0]) + reach + 1)
    y0, y1 = max(0, int(at[1]) - reach), min(h, int(at[1]) + reach + 1)
    if x0 >= x1 or y0 >= y1:
        return
    x, y = np.meshgrid(np.arange(x0, x1) - at[0], np.arange(y0, y1) - at[1])
    r2 = (x * x + y * y) / (radius * radius)
    fall = np.exp(-r2 * 2) + 0.06 / (1 + r2 * 1.5) * np.clip(1 - r2 / 16, 0, 1)
    image[y0:y1, x0:x1] += fall[..., None] * np.asarray(colour)


def finish(image, light, rng, exposure=1.0, noise=0.006):
    """What a sensor with a lens makes of linear light: 8-bit BGR."""
    h, w = image.shape[:2]
    gain = exposure * (1.2 + 1.9 * (1 - light.day) ** 1.5)  # the camera opens up as it gets dark
    x, y = np.meshgrid(np.linspace(-1, 1, w), np.linspace(-1, 1, h))
    vignette = (gain * (1 - 0.13 * (x * x + y * y))).astype(np.float32)[..., None]
    seen = cv2.GaussianBlur(image, (0, 0), 0.55) * vignette
    seen = seen / (1 + np.maximum(seen - 0.7, 0) * 0.6)  # lamps do not clip hard
    sigma = np.float32(noise * math.sqrt(gain * 6)) * np.sqrt(np.clip(seen, 0.02, 1))
    seen += rng.standard_normal(seen.shape, np.float32) * sigma
    return (np.clip(seen, 0, 1) ** np.float32(1 / 2.2) * 255 + 0.5).astype(np.uint8)
