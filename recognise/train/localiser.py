"""Localiser: a heat map of plate centres and the plate's four corners, at stride 8.

python3 localiser.py --data DIR --steps N trains; it resumes from DIR/localiser.pt.
"""
import argparse
import random
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import dataset
import net

STRIDE, UNIT = 8, 32.0
BATCH = 8


class Localiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.fine = nn.Sequential(net.layer(3, 12, 3, 2), net.layer(12, 28, 3, 2), net.layer(28, 48, 3, 2), net.layer(48, 48))
        # Dilation lets a cell see the ends of a plate 350 px wide.
        self.coarse = nn.Sequential(net.layer(48, 80, 3, 2), net.layer(80, 80, dilation=2), net.layer(80, 80, dilation=4),
                                    net.layer(80, 80, dilation=2), net.layer(80, 80))
        self.up = nn.ConvTranspose2d(80, 48, 2, 2)  # no Resize: one file serves any size
        self.join = net.layer(48, 48)
        self.head = nn.Conv2d(48, 9, 1)
        nn.init.constant_(self.head.bias[0:1], -4.)

    def forward(self, x):
        a = self.fine(x)
        return self.head(self.join(a + self.up(self.coarse(a))))


def targets(quads, exact, h, w):
    """Heat map, offsets, weight of the offsets: little where the corners are those of an upright box."""
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
            weight[i][m] = np.clip(70 / pw, .3, 2) * (1 if exact[i] else .2)
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
    a.add_argument("--steps", type=int, default=5000)
    a.add_argument("--stop", type=int, help="pause at this step; a later call resumes")
    a = a.parse_args()
    torch.set_num_threads(1)
    run = net.Run(Localiser, a.data + "/localiser.pt", 2e-3, 1e-2)
    print("localiser: %d parameters, from step %d" % (sum(p.numel() for p in run.net.parameters()), run.step), flush=True)
    chunks = dataset.Chunks(a.data, "localiser")
    while chunks.refresh() < 2:
        time.sleep(1)
    rng = random.Random("localiser %d" % run.step)
    start, first, mean = time.time(), run.step, np.zeros(2)
    while run.step < min(a.steps, a.stop or a.steps):
        if run.step % 40 == 0:
            chunks.refresh()
        batch = chunks.batch(rng, BATCH)
        run.net.train()
        out = run.net(picture(batch["x"], rng))
        value, focal, corners = loss(out, *targets(batch["q"], batch["exact"], out.shape[2], out.shape[3]))
        run.descend(value, a.steps, 5.0)
        mean += [focal, corners]
        if run.step % 100 == 0:
            v = chunks.validation
            with torch.no_grad():
                out = run.average(picture(v["x"][:48], None))
                _, vf, vc = loss(out, *targets(v["q"][:48], v["exact"][:48], out.shape[2], out.shape[3]))
            print("step %d  focal %.3f  corners %.4f  validation %.3f %.4f  chunks %d  %.1f images/s" % (
                run.step, *(mean / 100), vf, vc, len(chunks.names), (run.step - first) * BATCH / (time.time() - start)), flush=True)
            mean[:] = 0
            run.save()
    run.save()


if __name__ == "__main__":
    main()
