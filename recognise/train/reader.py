"""Reader: 32 x 128 grey crop to 32 frames of 37 classes, read by CTC, and a 38th value of each, which judges.

python3 reader.py --data DIR --steps N --judge M trains; it resumes from DIR/reader.pt. The renderer knows where
each character stands, so every frame is supervised at first; that fades into CTC.

The judge says whether the lettering is a plate's: the logit of that is the mean of the 38th value over the
frames. It has layers of its own. If the 37 classes had to tell a board from a plate, by reading nothing on it,
they would leave out characters of plates that are a little like boards: CTC knows no all or nothing.
When the rest has learnt, the judge learns on alone, on crops of which almost half are boards, and the rest stays as it is.
"""
import argparse
import os
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
CLASSES = 37
SHARED = 3   # layers that reader and judge have in common


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
        self.head = net.Exact(176, CLASSES, 1)
        self.judge = nn.Sequential(                                          # from 8 x 32: faces and strokes are seen early
            net.layer(48, 64), net.layer(64, 64, 3, (2, 1)), net.layer(64, 64, 3, (2, 1)), net.layer(64, 64, (2, 7), padding=(0, 3)), net.Exact(64, 1, 1))

    def forward(self, x):
        early = self.features[:SHARED](x)
        return torch.cat([self.head(self.drop(self.features[SHARED:](early))), self.judge(early)], 1)

    def judged(self, x):
        """The logit of a plate's lettering, one a crop, and nothing read."""
        return self.judge(self.features[:SHARED](x)).mean((1, 2, 3))


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
    """Greedy CTC over (n, 38, 1, 32)."""
    out = []
    for row in logits[:, :CLASSES, 0].argmax(1).tolist():
        out.append("".join(glyphs.CHARS[c - 1] for i, c in enumerate(row) if c and (i == 0 or c != row[i - 1])))
    return out


def loss(model, batch, step, fade):
    out = net.learn(model, torch.from_numpy(crop.normalise(batch["x"])))[:, :, 0]
    judged = F.binary_cross_entropy_with_logits(out[:, CLASSES].mean(1), plates(batch))
    read = ~batch["board"]   # what stands on a board is for the judge alone
    t, p = batch["t"][read], batch["p"][read]
    logp = F.log_softmax(out[torch.from_numpy(read), :CLASSES], 1)
    per_frame = F.nll_loss(logp, frames(t, p))
    lengths = torch.from_numpy((t > 0).sum(1).astype(np.int64))
    targets = torch.from_numpy(t[t > 0].astype(np.int64))
    ctc = F.ctc_loss(logp.permute(2, 0, 1), targets, torch.full((len(t),), FRAMES), lengths, zero_infinity=True)
    w = max(0.0, 1 - step / fade)
    return (1 - w) * .25 * ctc + (3 * w + .05) * per_frame + .1 * judged


def plates(batch):
    """1 for each crop that shows a plate, else 0."""
    return torch.from_numpy((batch["t"] > 0).any(1).astype(np.float32))


def judge(model, batch):
    """The judge's loss alone."""
    return F.binary_cross_entropy_with_logits(net.learn(model.judged, torch.from_numpy(crop.normalise(batch["x"]))), plates(batch))


def validate(model, chunk, n=512):
    model.eval()
    with torch.no_grad():
        got = decode(model(torch.from_numpy(crop.normalise(chunk["x"][:n]))))
    want = ["".join(glyphs.CHARS[c - 1] for c in row if c) for row in chunk["t"][:n]]
    fold = lambda s: s.translate(glyphs.FOLD)
    ok = [fold(a) == fold(b) for a, b in zip(got, want)]
    with torch.no_grad():
        sure = model.judged(torch.from_numpy(crop.normalise(chunk["x"][:n]))) > 0
    return np.mean(ok), (sure == torch.tensor([b != "" for b in want])).float().mean().item()


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True)
    a.add_argument("--steps", type=int, nargs="+", default=[9000], help="until which to learn; of several, the rate falls anew towards each")
    a.add_argument("--judge", type=int, default=0, help="steps of the judge alone, after those")
    a.add_argument("--stop", type=int, help="pause at this step; a later call resumes")
    a.add_argument("--fade", type=int, default=1400, help="step at which supervision of frames has faded; 1 for a thawed network, which needs none")
    a.add_argument("--rate", type=float, default=2e-3, help="highest learning rate; a third of it for a thawed network")
    a = a.parse_args()
    torch.set_num_threads(1)
    run = net.Run(Reader, a.data + "/reader.pt", a.rate, 1e-2)
    print("reader: %d parameters, from step %d" % (sum(p.numel() for p in run.net.parameters()), run.step), flush=True)
    last = a.steps[-1]

    def read(batch):
        run.net.train()
        run.descend(loss(run.net, batch, run.step, a.fade), net.goal(run.step, a.steps), 2.0)

    def alone(batch):
        run.net.eval().judge.train()
        for kept in (run.net.features, run.net.head):
            kept.requires_grad_(False)
        run.descend(judge(run.net, batch), a.judge, 2.0, start=last)

    train(run, "reader", read, min(last, a.stop or last))
    train(run, "judge", alone, min(last + a.judge, a.stop or last + a.judge))


def train(run, kind, learn, until):
    """Has the network learn from chunks of this kind up to a step."""
    if run.step >= until:
        return
    chunks = dataset.Chunks(os.path.dirname(run.path), kind)
    while chunks.refresh() < 2:
        time.sleep(1)
    rng = random.Random("%s %d" % (kind, run.step))
    start, first = time.time(), run.step
    while run.step < until:
        if run.step % 40 == 0:
            chunks.refresh()
        learn(chunks.batch(rng, BATCH))
        if run.step % 200 == 0:
            exact, judged = validate(run.average, chunks.validation)
            print("%s step %d  exact %.3f  judged %.3f  chunks %d  %.0f crops/s" % (
                kind, run.step, exact, judged, len(chunks.names), (run.step - first) * BATCH / (time.time() - start)), flush=True)
            run.save()
    run.save()


if __name__ == "__main__":
    main()
