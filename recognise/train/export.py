"""Export: the averaged weights as ONNX (opset 11, batch normalisation folded), checked in OpenCV. A network
without a checkpoint in DIR keeps its file.

python3 export.py --data DIR --out ../model [reader finder localiser]
"""
import argparse
import hashlib
import os

import cv2
import numpy as np
import torch

import localiser
import reader

SIZES = ((256, 320), (384, 640), (720, 1280))


def load(model, path):
    model.load_state_dict(torch.load(path, map_location="cpu")["average"])
    return model.eval()


def write(model, shape, path, names):
    torch.onnx.export(model, torch.zeros(shape), path, input_names=names[:1], output_names=names[1:], opset_version=11)


def agree(model, path, shape):
    """Largest difference between OpenCV's result and torch's at this input shape."""
    x = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    engine = cv2.dnn.readNetFromONNX(path)
    engine.setInput(x)
    y = engine.forward()
    with torch.no_grad():
        want = model(torch.from_numpy(x)).numpy()
    assert y.shape == want.shape, (y.shape, want.shape)
    return float(np.abs(y - want).max())


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True)
    a.add_argument("--out", required=True)
    a.add_argument("network", nargs="*", help="all that have a checkpoint, unless named")
    a = a.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.out, exist_ok=True)
    sums = {}
    if os.path.exists(a.out + "/SHA256SUMS"):   # what is not exported keeps its line
        with open(a.out + "/SHA256SUMS") as f:
            sums = {name: value for value, name in map(str.split, f)}
    for name, model, shape, names, shapes in (
            ("finder", localiser.Finder(), (1, 3, 256, 320), ["image", "map"], [(1, 3, h, w) for h, w in SIZES]),
            ("localiser", localiser.Localiser(), (1, 3, 256, 320), ["image", "map"], [(1, 3, h, w) for h, w in SIZES]),
            ("reader", reader.Reader(), (1, 1, 32, 128), ["crop", "frames"], [(1, 1, 32, 128)])):
        if a.network and name not in a.network or not os.path.exists("%s/%s.pt" % (a.data, name)):
            continue
        load(model, "%s/%s.pt" % (a.data, name))
        path = "%s/%s.onnx" % (a.out, name)
        write(model, shape, path, names)
        for s in shapes:
            d = agree(model, path, s)
            print("%s %s: OpenCV and torch differ by at most %.1e" % (name, "x".join(map(str, s)), d))
            assert d < 1e-3
        with open(path, "rb") as f:
            sums["%s.onnx" % name] = hashlib.sha256(f.read()).hexdigest()
        print("%s: %d parameters, %d bytes" % (name, sum(p.numel() for p in model.parameters()), os.path.getsize(path)))
    with open(a.out + "/SHA256SUMS", "w") as f:
        f.writelines("%s  %s\n" % (value, name) for name, value in sums.items())


if __name__ == "__main__":
    main()
