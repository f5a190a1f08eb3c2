"""Measure: the whole pipeline over a folder of photographs, with the exported files in OpenCV.

python3 measure.py --model ../model --images DIR --out out.jsonl [--truth truth.csv]
writes one JSON line a photograph: file, reads (plate, confidence, box), cands, ms. With --truth the
boxes of that file are read instead of the localiser's. It is a plain stand-in for the device's own
reader: greedy decoding, the characters put right by the British layouts unless --plain, two scales.
"""
import argparse
import csv
import json
import os
import time

import cv2
import numpy as np

import crop
import glyphs

# British layouts, L a letter and D a digit, the current one first: a later one must be likelier by a factor of e.
LAYOUTS = ("LLDDLLL "
           "LDDDLLL LDDLLL LDLLL LLLDDDL LLLDDL LLLDL LLLDDDD LLLDDD LLLDD LLLD LLDDDD LLDDD LLDD LLD LDDDD LDDD LDD LD "
           "DDDDLLL DDDLLL DDLLL DLLL DDDDLL DDDLL DDLL DLL DDDDL DDDL DDL DL DDDLDDD LLDDLL DDLLDD").split()
CLASS = {"D": slice(1, 11), "L": slice(11, 37)}
YIELD = 3.5   # how much likelihood (natural logarithm) a layout may cost before the read stands as it is
TWIN_CLASSES = [(glyphs.CHARS.index(a) + 1, glyphs.CHARS.index(b) + 1) for a, b in ("0O", "1I")]
WIDEST = 300  # px in the localiser's input


class Pipeline:
    def __init__(self, folder, threshold=.35, longest=(640, 1280), views=1, british=True):
        """views: crops of each plate with different margins, whose reads are added up."""
        self.localiser = cv2.dnn.readNetFromONNX(folder + "/localiser.onnx")
        self.reader = cv2.dnn.readNetFromONNX(folder + "/reader.onnx")
        self.threshold, self.longest, self.views, self.british = threshold, longest, views, british

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
                # A plate wider than the localiser was trained on is better seen at the smaller scale.
                wide = crop.size(q)[0] > WIDEST
                found.append((float(heat[j, i]) * (.5 if wide else 1), (q * [w / size[0], h / size[1]]).astype(np.float32)))
        found.sort(key=lambda f: -f[0])
        kept = []
        for c, q in found:
            pw, ph = crop.size(q)
            if pw > 12 and ph > 5 and not any(overlap(box(q), box(k)) > .35 for _, k in kept):
                kept.append((c, q))
        return kept[:12]

    def read(self, grey, quad):
        """Text and confidence of one plate."""
        best = {}
        for d in (0, -.03, .04)[:self.views]:
            characters = []
            for (x0, y0, x1, y1), keep in crop.boxes(quad):
                image, _ = crop.cut(grey, quad, (x0 - d, y0 - 1.5 * d, x1 + d, y1 + 1.5 * d), keep, double=True)
                characters += self.line(image)
            text, sure = settle(characters, self.british)
            best[text] = best.get(text, 0.0) + sure
        text = max(best, key=best.get)
        return text, best[text] / self.views

    def line(self, image):
        """The characters of one line, each as its probabilities over the 37 classes."""
        self.reader.setInput(crop.normalise([image]))
        z = self.reader.forward()[0, :, 0]
        z = np.exp(z - z.max(0))
        p = z / z.sum(0)
        joint = p.copy()
        for x, y in TWIN_CLASSES:  # one glyph: their shares belong together
            joint[x] += joint[y]
            joint[y] = 0
        classes = joint.argmax(0)
        out = []
        for i, c in enumerate(classes):
            if c and (i == 0 or c != classes[i - 1]):
                out.append(i)
            elif c and joint[c, i] > joint[c, out[-1]]:
                out[-1] = i
        return [p[:, i] for i in out]


def settle(characters, british):
    """Text and confidence. British: the layout that fits best, if it costs little; O and 0, I and 1 cost nothing."""
    if not characters:
        return "", 0.0
    p = np.array(characters)
    joint = p.copy()
    for x, y in TWIN_CLASSES:
        joint[:, x] = joint[:, y] = p[:, x] + p[:, y]
    free = "".join(glyphs.CHARS[int(row[1:].argmax())] for row in p)
    sure = float(joint[:, 1:].max(1).min())
    best, text = -YIELD, free
    if british:
        top = np.log(joint[:, 1:].max(1) + 1e-6).sum()
        for n, layout in enumerate(LAYOUTS):
            if len(layout) != len(p):
                continue
            picked = [CLASS[k].start + int(joint[i, CLASS[k]].argmax()) for i, k in enumerate(layout)]
            cost = np.log(joint[range(len(p)), picked] + 1e-6).sum() - top - (1 if n else 0)
            if cost > best:
                best, text = cost, "".join(glyphs.CHARS[c - 1] for c in picked)
    return text, sure


def box(q):
    lo, hi = q.min(0), q.max(0)
    return [float(lo[0]), float(lo[1]), float(hi[0] - lo[0]), float(hi[1] - lo[1])]


def overlap(a, b):
    """Share of the smaller box that lies in the other."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    i = max(0, w) * max(0, h)
    return i / (min(a[2] * a[3], b[2] * b[3]) + 1e-9)


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
    pipe = Pipeline(a.model, a.threshold, a.longest, a.views, not a.plain)
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
                    reads.append(dict(plate=text, confidence=round(sure * c, 4), box=[round(v, 1) for v in box(q)]))
            ms = (time.perf_counter() - start) * 1e3
            out.write(json.dumps(dict(file=name, reads=reads, cands=[[round(v, 1) for v in box(q)] for _, q in quads], ms=round(ms, 1))) + "\n")


if __name__ == "__main__":
    main()
