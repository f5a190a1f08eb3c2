"""Reader: 32 x 128 grey crop to 32 frames of 37 classes, read by CTC.

python3 reader.py --data DIR --steps N trains; it resumes from DIR/reader.pt. The renderer knows where
each character stands, so every frame is supervised at first; that fades into CTC.
"""
import argparse
import random
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import crop
import dataset
import glyphs
import net

FRAMES = 32
BATCH = 48


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            net.layer(1, 32, 5, 2),                                          # 16 x 64
            net.layer(32, 48), nn.MaxPool2d(2, 2),                           # 8 x 32
            net.layer(48, 96), net.layer(96, 96), nn.MaxPool2d((2, 1), (2, 1)),  # 4 x 32
            net.layer(96, 128), net.layer(128, 176, (4, 1), padding=(0, 0)),  # 1 x 32
            net.layer(176, 176, (1, 5)), net.layer(176, 176, (1, 5)))
        self.drop = nn.Dropout(.1)
        self.head = nn.Conv2d(176, 37, 1)

    def forward(self, x):
        return self.head(self.drop(self.features(x)))


def frames(t, p):
    """The class of each frame from the characters' edges: the middle half of a character bears it."""
    centre = np.arange(FRAMES) * (crop.WIDTH / FRAMES) + crop.WIDTH / FRAMES / 2
    out = np.zeros((len(t), FRAMES), np.int64)
    mid, half = p.mean(2), np.maximum((p[..., 1] - p[..., 0]) * .26, 2.01)
    for j in range(t.shape[1]):
        hit = (np.abs(centre[None] - mid[:, j, None]) < half[:, j, None]) & (t[:, j, None] > 0)
        out[hit] = np.broadcast_to(t[:, j, None], out.shape)[hit]
    return torch.from_numpy(out)


def decode(logits):
    """Greedy CTC over (n, 37, 1, 32)."""
    out = []
    for row in logits[:, :, 0].argmax(1).tolist():
        out.append("".join(glyphs.CHARS[c - 1] for i, c in enumerate(row) if c and (i == 0 or c != row[i - 1])))
    return out


def loss(model, batch, step, fade):
    t = batch["t"]
    logp = F.log_softmax(model(torch.from_numpy(crop.normalise(batch["x"])))[:, :, 0], 1)
    per_frame = F.nll_loss(logp, frames(t, batch["p"]))
    lengths = torch.from_numpy((t > 0).sum(1).astype(np.int64))
    targets = torch.from_numpy(t[t > 0].astype(np.int64))
    ctc = F.ctc_loss(logp.permute(2, 0, 1), targets, torch.full((len(t),), FRAMES), lengths, zero_infinity=True)
    w = max(0.0, 1 - step / fade)
    return (1 - w) * .25 * ctc + (3 * w + .05) * per_frame


def validate(model, chunk, n=512):
    model.eval()
    with torch.no_grad():
        got = decode(model(torch.from_numpy(crop.normalise(chunk["x"][:n]))))
    want = ["".join(glyphs.CHARS[c - 1] for c in row if c) for row in chunk["t"][:n]]
    fold = lambda s: s.translate(glyphs.FOLD)
    ok = [fold(a) == fold(b) for a, b in zip(got, want)]
    empty = [o for o, b in zip(ok, want) if not b]
    return np.mean(ok), np.mean(empty) if empty else 1.0


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True)
    a.add_argument("--steps", type=int, default=9000)
    a.add_argument("--stop", type=int, help="pause at this step; a later call resumes")
    a.add_argument("--fade", type=int, default=1400, help="step at which supervision of frames has faded; 1 for a thawed network, which needs none")
    a.add_argument("--rate", type=float, default=2e-3, help="highest learning rate; a third of it for a thawed network")
    a = a.parse_args()
    torch.set_num_threads(1)
    run = net.Run(Reader, a.data + "/reader.pt", a.rate, 1e-2)
    print("reader: %d parameters, from step %d" % (sum(p.numel() for p in run.net.parameters()), run.step), flush=True)
    chunks = dataset.Chunks(a.data, "reader")
    while chunks.refresh() < 2:
        time.sleep(1)
    rng = random.Random("reader %d" % run.step)
    start, first = time.time(), run.step
    while run.step < min(a.steps, a.stop or a.steps):
        if run.step % 40 == 0:
            chunks.refresh()
        run.net.train()
        value = loss(run.net, chunks.batch(rng, BATCH), run.step, a.fade)
        run.descend(value, a.steps, 2.0)
        if run.step % 200 == 0:
            exact, empty = validate(run.average, chunks.validation)
            print("step %d  loss %.3f  exact %.3f  empty %.3f  chunks %d  %.0f crops/s" % (
                run.step, value.item(), exact, empty, len(chunks.names), (run.step - first) * BATCH / (time.time() - start)), flush=True)
            run.save()
    run.save()


if __name__ == "__main__":
    main()
