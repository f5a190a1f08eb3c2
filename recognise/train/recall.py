"""Recall: how the localiser's boxes (cands of measure.py) meet those of a truth file.

python3 recall.py TRUTH.csv OUT.jsonl [column=value ...]
prints plates, recall at IoU 0.5, boxes a photograph that meet no plate.
"""
import csv
import json
import sys


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    i = max(0, w) * max(0, h)
    return i / (a[2] * a[3] + b[2] * b[3] - i)


def main():
    where = [w.split("=", 1) for w in sys.argv[3:]]
    truth = {}
    for r in csv.DictReader(open(sys.argv[1], newline="")):
        if all(r[k] == v for k, v in where):
            boxes = truth.setdefault(r["file"], [])
            if r["w"] and float(r["w"]) > 0:
                boxes.append([float(r[k]) for k in "xywh"])
    found = plates = false = images = 0
    for line in open(sys.argv[2]):
        d = json.loads(line)
        if d["file"] not in truth:
            continue
        images += 1
        boxes = truth[d["file"]]
        plates += len(boxes)
        found += sum(any(iou(b, c) >= .5 for c in d["cands"]) for b in boxes)
        false += sum(not any(iou(b, c) >= .3 for b in boxes) for c in d["cands"])
    print("%d photographs, %d plates: recall %.1f %%, %.2f false boxes a photograph" % (images, plates, 100 * found / max(1, plates), false / max(1, images)))


if __name__ == "__main__":
    main()
