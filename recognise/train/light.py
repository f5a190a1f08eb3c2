"""Light: what sun, shadow, glare, night, infrared, lens, sensor and JPEG do to an image of floats."""
import math

import cv2
import numpy as np


def illuminate(im, rng):
    """Uneven light over a plate or a scene, in place of `im` (h, w[, c]) in 0..255."""
    h, w = im.shape[:2]
    if rng.random() < .3:
        im = im * _wide(np.linspace(rng.uniform(.5, 1.2), rng.uniform(.5, 1.2), w, dtype=np.float32)[None], im)
    if rng.random() < .22:  # edge of a shadow
        ramp = np.arange(w, dtype=np.float32)[None] * rng.choice([-1, 1]) + np.arange(h, dtype=np.float32)[:, None] * rng.uniform(-1.5, 1.5)
        m = ((ramp - rng.uniform(float(ramp.min()), float(ramp.max()))) / rng.uniform(2, 20)).clip(0, 1)
        im = im * _wide(1 - m * rng.uniform(.2, .7), im)
    if rng.random() < .1:  # glare
        yy, xx = np.ogrid[:h, :w]
        spot = np.exp(-(((xx - rng.uniform(0, w)) / (w * rng.uniform(.05, .25))) ** 2 + ((yy - rng.uniform(0, h)) / (h * .5)) ** 2))
        im = im + _wide(spot.astype(np.float32), im) * rng.uniform(60, 220)
    return im


def expose(im, rng):
    """Brightness and contrast, from dusk to overexposure; sometimes night or the bloom of a lit plate."""
    if rng.random() < .06:
        im = rain(im, rng)
    u = rng.random()
    if u < .12:  # night: little light
        return im * rng.uniform(.06, .3) + rng.uniform(0, 12)
    if u < .22:  # infrared or headlights: the reflective ground saturates and glows
        im = im * rng.uniform(1.1, 1.8) - rng.uniform(0, 40)
        glow = cv2.GaussianBlur(np.ascontiguousarray(im, np.float32).clip(0, 255), (0, 0), max(1.0, im.shape[0] * rng.uniform(.02, .08)))
        return im + glow.reshape(im.shape) * rng.uniform(.1, .5)
    if u < .3:  # haze, rain on the glass
        return im * rng.uniform(.2, .5) + rng.uniform(60, 130)
    return im * rng.uniform(.4, 1.12) + rng.uniform(-15, 40)


def rain(im, rng):
    """Streaks of falling rain, drops on the glass that bend what is behind them, and a haze."""
    h, w = im.shape[:2]
    im = im * rng.uniform(.55, .95) + rng.uniform(5, 45)
    streaks = np.zeros((h, w), np.float32)
    slant, length = rng.gauss(0, .25), h * rng.uniform(.03, .12)
    for _ in range(int(w * h / rng.uniform(900, 4000)) + 1):
        x, y, n = rng.uniform(0, w), rng.uniform(-length, h), length * rng.uniform(.4, 1.2)
        cv2.line(streaks, (round(x), round(y)), (round(x + slant * n), round(y + n)), rng.uniform(10, 60), 1, cv2.LINE_AA)
    im = im + _wide(streaks, im)
    for _ in range(rng.randint(0, 6)):
        r = rng.uniform(.01, .04) * w
        x0, y0, x1, y1 = (int(v) for v in (rng.uniform(0, w), rng.uniform(0, h), 0, 0))
        x1, y1 = min(w, x0 + int(2 * r) + 2), min(h, y0 + int(2 * r) + 2)
        part = np.ascontiguousarray(im[y0:y1, x0:x1])
        mask = np.zeros(part.shape[:2], np.float32)
        cv2.circle(mask, (part.shape[1] // 2, part.shape[0] // 2), max(1, int(r)), 1, -1, cv2.LINE_AA)
        turned = cv2.GaussianBlur(part[::-1, ::-1], (0, 0), max(.5, r / 3)).reshape(part.shape)
        im[y0:y1, x0:x1] = part * (1 - _wide(mask, part)) + turned * _wide(mask, part)
    return im


def sense(im, rng, blur):
    """Lens, movement, sensor and JPEG; `blur` is the largest defocus in pixels. Returns uint8."""
    im = np.ascontiguousarray(im, np.float32)
    u = rng.random()
    if u < .35:
        im = cv2.GaussianBlur(im, (0, 0), rng.uniform(.3, max(.35, blur)))
    elif u < .58:
        im = cv2.filter2D(im, -1, _motion(rng.randint(2, max(3, int(blur * (6 if rng.random() < .3 else 4)))), rng))
    if rng.random() < .75:
        noise = np.empty(im.shape, np.float32)
        cv2.randn(noise, 0, rng.uniform(1, 14) if rng.random() < .9 else rng.uniform(14, 28))
        im = im + noise
    if rng.random() < .1:  # sharpened by the camera
        im = im + (im - cv2.GaussianBlur(im, (0, 0), 1.0)) * rng.uniform(.5, 1.5)
    im = im.clip(0, 255).astype(np.uint8)
    if rng.random() < .6:
        im = cv2.imdecode(cv2.imencode(".jpg", im, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(22, 94)])[1], cv2.IMREAD_UNCHANGED)
    return im


def _motion(length, rng):
    k = np.zeros((length, length), np.float32)
    a = rng.gauss(0, .15) if rng.random() < .65 else rng.uniform(0, math.pi)
    c = (length - 1) / 2
    p = (round(c - c * math.cos(a)), round(c - c * math.sin(a)))
    q = (round(c + c * math.cos(a)), round(c + c * math.sin(a)))
    cv2.line(k, p, q, 1, 1)
    return k / max(k.sum(), 1)


def _wide(m, im):
    return m[..., None] if im.ndim == 3 else m
