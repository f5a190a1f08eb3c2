"""Finder and localiser: a heat map of plate centres and the plate's four corners, at stride 8.

The finder searches whole images and need only come near; the localiser looks at what it finds again, in a
small window, and says whether it is a plate and where exactly.

The finder learns from scenes, the localiser from the windows that window.py cuts where a finder found something.

python3 localiser.py --data DIR --steps N [--finder] trains; it resumes from DIR/localiser.pt or DIR/finder.pt.
"""
import argparse
import random
import time

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import crop
import dataset
import net

STRIDE, UNIT = 8, 32.0
SCENES, WINDOWS = 8, 24   # in a batch
WHOLE = .25, 0, .2, (1, -1)   # how scenes are varied
# Windows are stretched too: they are cut about what the finder sees in the scenes that it has learnt, and it outlines others less well.
CLOSE = .18, .12, .06, (1,)
MUDDY = .2   # of the plates in the last windows


class Network(nn.Module):
    """Both networks: widths at half, a quarter and an eighth of the image, and of what sees far."""

    def __init__(self, half, quarter, eighth, far, seen):
        super().__init__()
        self.fine = nn.Sequential(net.layer(3, half, 3, 2), net.layer(half, quarter, 3, 2), net.layer(quarter, eighth, 3, 2), *seen)
        # Dilation lets a cell see the ends of a plate 350 px wide.
        self.coarse = nn.Sequential(net.layer(eighth, far, 3, 2), *(net.layer(far, far, dilation=d) for d in self.dilations))
        self.up = nn.ConvTranspose2d(far, eighth, 2, 2)  # no Resize: one file serves any size
        self.join = net.layer(eighth, eighth)
        self.head = nn.Conv2d(eighth, 9, 1)
        nn.init.constant_(self.head.bias[0:1], -4.)

    def forward(self, x):
        a = self.fine(x)
        return self.head(self.join(a + self.up(self.coarse(a))))


class Finder(Network):
    dilations = 2, 4, 2

    def __init__(self):
        super().__init__(8, 16, 32, 64, ())


class Localiser(Network):
    dilations = 2, 4, 2, 1

    def __init__(self):
        super().__init__(12, 28, 48, 80, (net.layer(48, 48),))


def targets(quads, exact, h, w):
    """Heat map, offsets, weight of the offsets: hardly any where the corners are those of an upright box, which
    people draw about a plate and its holder."""
    n = len(quads)
    heat, offset, weight = np.zeros((n, h, w), np.float32), np.zeros((n, 8, h, w), np.float32), np.zeros((n, h, w), np.float32)
    yy, xx = np.mgrid[:h, :w]
    px, py = (xx + .5) * STRIDE, (yy + .5) * STRIDE
    for i in range(n):
        for q in quads[i]:
            if np.isnan(q[0]):
                continue
            p = q.reshape(4, 2)
            c = p.mean(0)
            pw, ph = np.hypot(*(p[1] - p[0])), np.hypot(*(p[3] - p[0]))
            sx, sy = max(pw * .14, 5.), max(ph * .26, 5.)
            g = np.exp(-((px - c[0]) / sx) ** 2 / 2 - ((py - c[1]) / sy) ** 2 / 2)
            heat[i] = np.maximum(heat[i], g)
            row, column = min(h - 1, int(c[1] / STRIDE)), min(w - 1, int(c[0] / STRIDE))
            heat[i, row, column] = 1
            m = g > .5
            m[row, column] = True
            weight[i][m] = np.clip(70 / pw, .3, 2) * (1 if exact[i] else .02)
            for k in range(4):
                offset[i, 2 * k][m] = ((p[k, 0] - px) / UNIT)[m]
                offset[i, 2 * k + 1][m] = ((p[k, 1] - py) / UNIT)[m]
    return [torch.from_numpy(v) for v in (heat, offset, weight)]


def loss(out, heat, offset, weight):
    p = torch.sigmoid(out[:, 0]).clamp(1e-5, 1 - 1e-5)
    centre = (heat > .99).float()
    n = centre.sum().clamp(min=1)
    focal = -(centre * (1 - p) ** 2 * torch.log(p) + (1 - centre) * (1 - heat) ** 4 * p ** 2 * torch.log(1 - p)).sum() / n
    corners = (F.smooth_l1_loss(out[:, 1:], offset, reduction="none", beta=.1).mean(1) * weight).sum() / (weight > 0).sum().clamp(min=1)
    return focal + 4 * corners, focal.item(), corners.item()


def varied(x, quads, zoom, stretch, shift, sides, rng):
    """Pictures and their plates (n, plates, 8) drawn nearer or farther, wider or narrower and shifted, by up to these
    shares, and mirrored where `sides` holds a -1, so that a network does not learn its scenes by heart. A plate whose
    middle leaves the picture is none any more."""
    n, h, w = x.shape[:3]
    out, seen = np.empty_like(x), np.full_like(quads, np.nan)
    for i in range(n):
        s, wider, side = rng.uniform(-zoom, zoom), rng.uniform(-stretch, stretch), rng.choice(sides)
        sx, sy = side * np.exp(s + wider), np.exp(s - wider)
        m = np.array([[sx, 0, w * (.5 - sx / 2 + rng.uniform(-shift, shift))], [0, sy, h * (.5 - sy / 2 + rng.uniform(-shift, shift))]], np.float32)
        at = m.copy()
        at[:, 2] += m[:, :2].sum(1) / 2 - .5   # pixel centres lie at half pixels
        out[i] = cv2.warpAffine(x[i], at, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for j, q in enumerate(quads[i]):
            if not np.isnan(q[0]):
                p = q.reshape(4, 2) @ m[:, :2].T + m[:, 2]
                if (p.mean(0) > 0).all() and (p.mean(0) < [w, h]).all():
                    seen[i, j] = (p if side > 0 else p[[1, 0, 3, 2]]).reshape(-1)
    return out, seen


def muddy(x, quads, share, rng):
    """Mud along the lettering of this share of the plates (n, plates, 8), in their pictures: each is a plate all the same.
    A window knows corners and no characters, so that scene.py's mud, which lies on each, is of no use here."""
    for im, plates in zip(x, quads):
        for q in plates:
            if np.isnan(q[0]) or rng.random() >= share:
                continue
            p = q.reshape(4, 2)
            (w, h), across = crop.size(p), rng.randint(4, 8)
            lines = 1 if w >= crop.TWO_LINES_BELOW * h else 2
            dry = rng.uniform(.5, 1.3)
            colour = [v * dry for v in (55, 62, 72)]
            for k in range(across * lines):
                u, v = (k % across + .5 + rng.gauss(0, .15)) / across, (k // across + .5 + rng.gauss(0, .06)) / lines
                at = (p[0] * (1 - u) + p[1] * u) * (1 - v) + (p[3] * (1 - u) + p[2] * u) * v
                radii = [max(1, round(h / lines * rng.uniform(.16, .38))) for _ in range(2)]
                cv2.ellipse(im, [round(float(a)) for a in at], radii, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)


def picture(x, rng):
    """Network input from uint8 scenes, with brightness changed once more."""
    x = x.astype(np.float32)
    for i in range(len(x)):
        if rng is not None and rng.random() < .6:
            x[i] = (x[i] * rng.uniform(.65, 1.3) + rng.uniform(-25, 25)).clip(0, 255)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) / 255 - .45, np.float32))


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True)
    a.add_argument("--steps", type=int, nargs="+", default=[5000], help="until which to learn; of several, the rate falls anew towards each")
    a.add_argument("--stop", type=int, help="pause at this step; a later call resumes")
    a.add_argument("--rate", type=float, default=2e-3, help="highest learning rate; a third of it for a thawed network")
    a.add_argument("--finder", action="store_true")
    a = a.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    make, name = (Finder, "finder") if a.finder else (Localiser, "localiser")
    run = net.Run(make, "%s/%s.pt" % (a.data, name), a.rate, 1e-2)
    print(name + ": %d parameters, from step %d" % (sum(p.numel() for p in run.net.parameters()), run.step), flush=True)
    chunks, size = (dataset.Chunks(a.data, "localiser"), SCENES) if a.finder else (dataset.Chunks(a.data, "window"), WINDOWS)
    while chunks.refresh() < 2:
        time.sleep(1)
    rng = random.Random("%s %d" % (name, run.step))
    start, first, mean = time.time(), run.step, np.zeros(2)
    while run.step < min(a.steps[-1], a.stop or a.steps[-1]):
        if run.step % 40 == 0:
            chunks.refresh()
        batch = chunks.batch(rng, size)
        x, quads = varied(batch["x"], batch["q"], *(WHOLE if a.finder else CLOSE), rng)
        if not a.finder and run.step >= a.steps[-2:][0]:   # in the last fall of several: plates that nobody can read are rare before
            muddy(x, quads, MUDDY, rng)
        run.net.train()
        out = net.learn(run.net, picture(x, rng))
        value, focal, corners = loss(out, *targets(quads, batch["exact"], out.shape[2], out.shape[3]))
        run.descend(value, net.goal(run.step, a.steps), 5.0)
        mean += [focal, corners]
        if run.step % 100 == 0:
            v = chunks.validation
            with torch.no_grad():
                n = 6 * size
                out = run.average(picture(v["x"][:n], None))
                _, vf, vc = loss(out, *targets(v["q"][:n], v["exact"][:n], out.shape[2], out.shape[3]))
            print("step %d  focal %.3f  corners %.4f  validation %.3f %.4f  chunks %d  %.1f pictures/s" % (
                run.step, *(mean / 100), vf, vc, len(chunks.names), (run.step - first) * size / (time.time() - start)), flush=True)
            mean[:] = 0
            run.save()
    run.save()


if __name__ == "__main__":
    main()
