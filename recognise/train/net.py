"""Net: what both networks share: layers, moving average of the weights, schedule, checkpoints."""
import copy
import functools
import math
import os
import time

import torch
from torch import nn


def layer(i, o, k=3, stride=1, padding=None, dilation=1):
    """Convolution, batch normalisation (folded at export), rectifier."""
    if padding is None:
        padding = k // 2 * dilation if isinstance(k, int) else tuple(x // 2 for x in k)
    return nn.Sequential(nn.Conv2d(i, o, k, stride, padding, dilation, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Exact(nn.Conv2d):
    """A convolution in float32 whatever those before it are in: of 16 bits, a logit of 10 moves in steps of a sixteenth."""

    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            return super().forward(x if x.dtype == torch.float32 else x.float())


@functools.cache
def short():
    """Whether training is faster with numbers of 16 bits: on some processors that multiply them it is twice as
    fast, on others half as slow again, and where there is no such instruction many times slower."""
    if "avx512_bf16" not in open("/proc/cpuinfo").read():
        return False
    convolution, x = layer(64, 64).to(memory_format=torch.channels_last), torch.randn(32, 64, 16, 64).to(memory_format=torch.channels_last)
    took = {}
    for tried in (True, False) * 2:   # the first time of each warms up
        began = time.process_time()
        for _ in range(4):
            with torch.autocast("cpu", torch.bfloat16, enabled=tried):
                y = convolution(x)
            y.float().square().mean().backward()
        took[tried] = time.process_time() - began
    return took[True] < took[False]


def learn(net, x):
    """What a network that learns makes of x: float32, worked out with short numbers where that is faster."""
    with torch.autocast("cpu", torch.bfloat16, enabled=short()):
        return net(x.to(memory_format=torch.channels_last)).float()


def goal(step, steps):
    """The first of the steps that is still ahead."""
    return next(s for s in steps if step < s)


def rate(step, steps, top, flat=.4):
    """Learning rate: short warm-up, flat, then a cosine down to nothing."""
    if step < 100:
        return top * (step + 1) / 100
    f = step / steps
    return top if f < flat else top * max(.01, .5 + .5 * math.cos(math.pi * min(1, (f - flat) / (1 - flat))))


class Run:
    """A resumable training run: network, optimiser, averaged weights, step; saved to one file."""

    def __init__(self, make, path, top, decay):
        torch.manual_seed(1)
        self.path, self.top, self.step = path, top, 0
        self.net = make().to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).eval()
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=top, weight_decay=decay)
        if os.path.exists(path):
            s = torch.load(path)
            self.net.load_state_dict(s["net"])
            self.average.load_state_dict(s["average"])
            self.optimiser.load_state_dict(s["optimiser"])
            self.step = s["step"]

    def save(self):
        torch.save(dict(net=self.net.state_dict(), average=self.average.state_dict(), optimiser=self.optimiser.state_dict(), step=self.step), self.path + ".part")
        os.rename(self.path + ".part", self.path)

    def descend(self, loss, steps, clip, start=0):
        """One step of a schedule of `steps` that began at step `start`."""
        for g in self.optimiser.param_groups:
            g["lr"] = rate(self.step - start, steps, self.top)
        self.optimiser.zero_grad(set_to_none=True)   # so that what has no gradient stands still
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), clip)
        self.optimiser.step()
        self.step += 1
        keep = min(.998, 1 - 1 / (1 + self.step / 8))
        with torch.no_grad():
            for a, b in zip(self.average.state_dict().values(), self.net.state_dict().values()):
                if a.dtype.is_floating_point:
                    a.mul_(keep).add_(b, alpha=1 - keep)
                else:
                    a.copy_(b)
