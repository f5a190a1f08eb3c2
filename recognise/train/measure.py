"""Measure: the whole pipeline over a folder of photographs, with the exported files in OpenCV.

python3 measure.py --model ../model --images DIR --out out.jsonl [--truth truth.csv]
writes one JSON line a photograph: file, reads (plate, confidence, box), cands, ms. With --truth the
boxes of that file are read instead of the localiser's. It is a plain stand-in for the device's own
reader: greedy decoding, O/0 and I/1 put right by the British layouts, two scales at most.
"""
import argparse
import csv
import itertools
import json
import os
import re
import time

import cv2
import numpy as np

import crop
import glyphs

LAYOUTS = [re.compile(p) for p in (
    r"[A-HJ-PR-Y][A-HJ-PR-Y](0[2-9]|1\d|2[0-6]|5[1-9]|6\d|7[0-6])[A-HJ-PR-Z]{3}", r"[A-HJ-NPRSTV-Y][1-9]\d{0,2}[A-HJ-PR-Y]{3}",
    r"[A-HJ-PR-Y]{3}[1-9]\d{0,2}[A-HJ-NPRSTV-Y]", r"[A-Z]{1,3}[1-9]\d{0,3}", r"[1-9]\d{0,3}[A-Z]{1,3}", r"\d{3}[DX]\d{3}",
    r"[A-Z]{2}\d{2}[A-Z]{2}", r"\d{2}[A-Z]{2}\d{2}")]
TWINS = {"0": "0O", "O": "O0", "1": "1I", "I": "I1"}


class Pipeline:
    def __init__(self, folder, threshold=.35, longest=(640, 1280), views=1):
        self.localiser = cv2.dnn.readNetFromONNX(folder + "/localiser.onnx")
        self.reader = cv2.dnn.readNetFromONNX(folder + "/reader.onnx")
        self.threshold, self.longest, self.views = threshold, longest, views

    def find(self, image):
        """Quads with confidences, best first, in the photograph's pixels."""
        h, w = image.shape[:2]
        found, done = [], set()
        for longest in self.longest:
            f = min(longest / max(h, w), 2.0)
            size = (max(64, round(w * f / 16) * 16), max(64, round(h * f / 16) * 16))
            if size in done:
                continue
            done.add(size)
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if f < 1 else cv2.INTER_LINEAR)
            x = small.astype(np.float32).transpose(2, 0, 1)[None] / 255 - .45
            self.localiser.setInput(np.ascontiguousarray(x))
            m = self.localiser.forward()[0]
            heat = 1 / (1 + np.exp(-m[0]))
            peak = (heat >= cv2.dilate(heat, np.ones((3, 3)))) & (heat > self.threshold)
            for j, i in np.argwhere(peak):
                q = m[1:, j, i].reshape(4, 2) * 32 + [(i + .5) * 8, (j + .5) * 8]
                found.append((float(heat[j, i]), (q * [w / size[0], h / size[1]]).astype(np.float32)))
        found.sort(key=lambda f: -f[0])
        kept = []
        for c, q in found:
            pw, ph = crop.size(q)
            if pw > 12 and ph > 5 and not any(overlap(box(q), box(k)) > .25 for _, k in kept):
                kept.append((c, q))
        return kept[:12]

    def read(self, grey, quad):
        """Text and confidence of one plate."""
        best = {}
        for v in range(self.views):
            d = (0, -.03, .04)[v]
            text, confidence = "", 1.0
            for (x0, y0, x1, y1), keep in crop.boxes(quad):
                image, _ = crop.cut(grey, quad, (x0 - d, y0 - 1.5 * d, x1 + d, y1 + 1.5 * d), keep, double=True)
                t, c = self.line(image)
                text, confidence = text + t, min(confidence, c)
            n, total = best.get(text, (0, 0.0))
            best[text] = (n + 1, total + confidence)
        text = max(best, key=lambda t: best[t][1])
        return text, best[text][1] / self.views

    def line(self, image):
        self.reader.setInput(crop.normalise([image]))
        z = self.reader.forward()[0, :, 0]
        z = np.exp(z - z.max(0))
        p = z / z.sum(0)
        classes = p.argmax(0)
        text, sure = "", []
        for i, c in enumerate(classes):
            if c and (i == 0 or c != classes[i - 1]):
                text += glyphs.CHARS[c - 1]
                sure.append(p[c, i])
            elif c:
                sure[-1] = max(sure[-1], p[c, i])
        return text, float(min(sure)) if sure else 0.0


def settle(text, british=True):
    """O or 0, I or 1: the first layout that fits decides; without one the read stands."""
    if not british:
        return text
    for layout in LAYOUTS:
        for twin in itertools.product(*(TWINS.get(c, c) for c in text[:9])):
            if layout.fullmatch("".join(twin)):
                return "".join(twin)
    return text


def box(q):
    lo, hi = q.min(0), q.max(0)
    return [float(lo[0]), float(lo[1]), float(hi[0] - lo[0]), float(hi[1] - lo[1])]


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    i = max(0, w) * max(0, h)
    return i / (a[2] * a[3] + b[2] * b[3] - i + 1e-9)


def files(folder):
    for base, _, names in sorted(os.walk(folder)):
        for n in sorted(names):
            if n.lower().endswith((".jpg", ".jpeg", ".png")):
                yield os.path.relpath(os.path.join(base, n), folder)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--model", required=True)
    a.add_argument("--images", required=True)
    a.add_argument("--out", required=True)
    a.add_argument("--truth", help="read the boxes of this file")
    a.add_argument("--longest", type=int, nargs="+", default=[640, 1280])
    a.add_argument("--threshold", type=float, default=.35)
    a.add_argument("--min-confidence", type=float, default=.5)
    a.add_argument("--views", type=int, default=1, help="crops of each plate, 1 to 3")
    a.add_argument("--plain", action="store_true", help="no British layouts")
    a = a.parse_args()
    cv2.setNumThreads(1)
    pipe = Pipeline(a.model, a.threshold, a.longest, a.views)
    truth = {}
    if a.truth:
        for r in csv.DictReader(open(a.truth, newline="")):
            if r["w"]:
                x, y, w, h = (float(r[k]) for k in "xywh")
                truth.setdefault(r["file"], []).append((1.0, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)))
    with open(a.out, "w") as out:
        for name in files(a.images):
            image = cv2.imread(os.path.join(a.images, name))
            if image is None:
                continue
            start = time.perf_counter()
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            quads = truth.get(name, []) if a.truth else pipe.find(image)
            reads = []
            for c, q in quads:
                text, sure = pipe.read(grey, q)
                if len(text) >= 2 and (a.truth or sure * min(1, c + .3) >= a.min_confidence):
                    reads.append(dict(plate=settle(text, not a.plain), confidence=round(sure * c, 4), box=[round(v, 1) for v in box(q)]))
            ms = (time.perf_counter() - start) * 1e3
            out.write(json.dumps(dict(file=name, reads=reads, cands=[[round(v, 1) for v in box(q)] for _, q in quads], ms=round(ms, 1))) + "\n")


if __name__ == "__main__":
    main()
