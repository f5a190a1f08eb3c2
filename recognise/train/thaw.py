"""Thaw: exported ONNX files back to checkpoints, so that training goes on from them.

python3 thaw.py --model ../model --data DIR [reader finder localiser]

Export folds batch normalisation into the convolutions. Thawing unfolds it: crops or scenes of the chunks in
DIR give each convolution's mean and deviation, and the normalisation is set so that what it does to them is
nothing. So the network is the same, and learns as one that was never frozen.
"""
import argparse
import os
import random

import numpy as np
import onnx
import onnx.numpy_helper
import torch

import crop
import dataset
import export
import localiser
import net
import reader

SCENE = 1, 3, localiser.STRIDE * 32, localiser.STRIDE * 48
NETWORKS = {"reader": (reader.Reader, "reader", 64, (1, 1, crop.HEIGHT, crop.WIDTH)),
            "finder": (localiser.Finder, "localiser", 12, SCENE), "localiser": (localiser.Localiser, "window", 36, (1, 3, 128, 192))}


def weights(path):
    """Weight and bias of each convolution of an ONNX file, in the order in which they run."""
    graph = onnx.load(path).graph
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    return [[torch.from_numpy(np.array(values[name])) for name in node.input[1:3]] for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]


def convolutions(model, x):
    """The model's convolutions in the order in which they run, each with the normalisation behind it, if any."""
    normalised = {s[0]: s[1] for s in model.modules() if isinstance(s, torch.nn.Sequential) and len(s) > 1 and isinstance(s[1], torch.nn.BatchNorm2d)}
    order = []
    hooks = [m.register_forward_hook(lambda m, *_: order.append(m)) for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))]
    with torch.no_grad():
        model(x)
    for h in hooks:
        h.remove()
    return [(m, normalised.get(m)) for m in order]


def thaw(model, path, batches):
    """Sets the model to what the file does; `batches` are inputs like those it was trained with."""
    model.eval()
    layers = convolutions(model, batches[0])
    frozen = weights(path)
    assert len(layers) == len(frozen), (len(layers), len(frozen))
    for (m, norm), (weight, bias) in zip(layers, frozen):
        m.weight.data.copy_(weight)
        if norm is None:
            m.bias.data.copy_(bias)
    for (m, norm), (_, bias) in zip(layers, frozen):   # from the first on: each needs those before it
        if norm is None:
            continue
        seen = []
        hook = m.register_forward_hook(lambda m, i, o: seen.append(o.detach()))
        with torch.no_grad():
            for x in batches:
                model(x)
        hook.remove()
        mean = torch.stack([o.mean((0, 2, 3)) for o in seen]).mean(0)
        variance = torch.stack([((o - mean[:, None, None]) ** 2).mean((0, 2, 3)) for o in seen]).mean(0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data.copy_(mean + bias)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--model", required=True)
    a.add_argument("--data", required=True)
    a.add_argument("network", nargs="*", default=list(NETWORKS))
    a = a.parse_args()
    torch.set_num_threads(1)
    for name in a.network:
        make, kind, size, shape = NETWORKS[name]
        path = "%s/%s.pt" % (a.data, name)
        if os.path.exists(path):
            print("%s is there already and stays" % path)
            continue
        chunks = dataset.Chunks(a.data, kind)
        chunks.refresh()
        rng = random.Random(1)
        picture = (lambda x: torch.from_numpy(crop.normalise(x))) if kind == "reader" else (lambda x: localiser.picture(x, None))
        batches = [picture(chunks.batch(rng, size)["x"]) for _ in range(8)]
        run = net.Run(make, path, 2e-3, 1e-2)
        file = "%s/%s.onnx" % (a.model, name)
        thaw(run.net, file, batches)
        differ = export.agree(run.net, file, shape)
        assert differ < 1e-3, differ
        run.average.load_state_dict(run.net.state_dict())
        run.save()
        print("%s: thawed, differs from the file by at most %.1e" % (name, differ))


if __name__ == "__main__":
    main()
