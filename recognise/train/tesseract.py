"""Tesseract: a plate model for the second engine, trained with Tesseract's own tools.

python3 tesseract.py --data DIR --out ../model renders lines of plates (the crops that the reader is
trained on), has tesseract make .lstmf pages of them, trains Debian's English network on with lstmtraining
(its weights are integers, so dequantise.py makes them numbers first; a network trained from nothing had
learnt nothing after 25,000 lines), and writes OUT/plate.traineddata with its line in OUT/SHA256SUMS. Every
stage resumes where it stopped.
"""
import argparse
import glob
import hashlib
import os
import random
import re
import subprocess

import cv2
import numpy as np
from PIL import Image

import crop
import dataset
import dequantise
import glyphs
import plate
import scene

PAGES = 256  # lines in a file: tesseract reads a file anew for each of its pages
QUIET = dict(os.environ, OMP_THREAD_LIMIT="1")


def easy(rng, _):
    """One line of a plate seen flat and clean, and its text: a network that can read them learns the hard ones sooner."""
    p = plate.random_plate(rng, scale=.5, two_line=False)
    while len(p.text) > dataset.LONGEST:
        p = plate.random_plate(rng, scale=.5, two_line=False)
    return cv2.resize(cv2.cvtColor(p.image, cv2.COLOR_BGR2GRAY), (crop.WIDTH, crop.HEIGHT), interpolation=cv2.INTER_AREA), p.text


def hard(rng, backgrounds):
    """One crop that holds text, as a camera gives it, and the text."""
    while True:
        image, text, ends, _ = dataset.crop_sample(rng, backgrounds)
        if text and ends[0, 0] >= -1 and ends[-1, 1] <= image.shape[1] + 1:
            return image, text


KINDS = {"easy": easy, "hard": hard}


def render(folder, kind, number, seed, backgrounds):
    """Files KIND-NUMBER.tif and .box in the form that tesseract takes for training, and the .lstmf it makes of them."""
    base = os.path.join(folder, "%s-%03d" % (kind, number))
    if os.path.exists(base + ".lstmf"):
        return
    rng = random.Random("tesseract %s %d %d" % (kind, seed, number))
    pages, boxes = [], []
    for page in range(PAGES):
        image, text = KINDS[kind](rng, backgrounds)
        h, w = image.shape
        pages.append(Image.fromarray(image))
        boxes.append("WordStr 0 0 %d %d %d #%s\n\t %d %d %d %d %d\n" % (w, h, page, text, w, 0, w + 1, h, page))
    pages[0].save(base + ".tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    with open(base + ".box", "w") as f:
        f.writelines(boxes)
    # The last page is the one that completes the file.
    subprocess.run(["tesseract", base + ".tif", base + ".part", "--psm", "13", "lstm.train"], env=QUIET, check=True, capture_output=True)
    os.rename(base + ".part.lstmf", base + ".lstmf")


def start(folder):
    """What training starts from: the characters of plates without a dictionary, and Debian's English network with its
    weights as numbers that can be trained. Gives both files, and the English data."""
    english = find("eng.traineddata")
    proto, network = os.path.join(folder, "plate", "plate.traineddata"), os.path.join(folder, "eng.lstm")
    if not os.path.exists(proto):
        with open(os.path.join(folder, "characters.box"), "w") as f:
            f.writelines("%s 0 0 1 1 0\n" % c for c in glyphs.CHARS)
        # combine_lang_model wants Unicode's table of Han radicals, of which no plate has any.
        with open(os.path.join(folder, "radical-stroke.txt"), "w") as f:
            f.write("# none\n")
        characters = os.path.join(folder, "unicharset")
        run("unicharset_extractor", "--output_unicharset", characters, "--norm_mode", "1", os.path.join(folder, "characters.box"))
        run("combine_lang_model", "--input_unicharset", characters, "--script_dir", folder, "--output_dir", folder, "--lang", "plate", "--pass_through_recoder")
    if not os.path.exists(network):
        integer = os.path.join(folder, "integer.lstm")
        run("combine_tessdata", "-e", english, integer)
        with open(integer, "rb") as f:
            weights = dequantise.dequantise(f.read())
        with open(network, "wb") as f:
            f.write(weights)
    return proto, network, english


def find(name):
    for root, _, files in os.walk("/usr/share/tesseract-ocr"):
        if name in files:
            return os.path.join(root, name)
    raise SystemExit("%s is not installed: install tesseract-ocr-eng" % name)


def train(folder, kind, proto, network, english, iterations):
    """Trains until so many lines of a kind and the kinds before were seen, from the checkpoint where there is one."""
    names = os.path.join(folder, kind + ".txt")
    with open(names, "w") as f:
        f.writelines(name + "\n" for name in sorted(glob.glob(os.path.join(folder, kind + "-*.lstmf"))))
    base = os.path.join(folder, "checkpoint", "plate")
    os.makedirs(os.path.dirname(base), exist_ok=True)
    begin = ["--continue_from", network, "--old_traineddata", english]
    resume = ["--continue_from", base + "_checkpoint"] if os.path.exists(base + "_checkpoint") else begin
    run("lstmtraining", "--traineddata", proto, "--model_output", base, "--train_listfile", names,
        "--max_iterations", str(iterations), "--target_error_rate", "0.1", "--debug_interval", "0", "--max_image_MB", "2000", *resume)
    return base + "_checkpoint"


def export(folder, proto, checkpoint, out):
    """The model with weights of eight bits, which run twice as fast, and its checksum."""
    model = os.path.join(out, "plate.traineddata")
    run("lstmtraining", "--stop_training", "--convert_to_int", "--continue_from", checkpoint, "--traineddata", proto, "--model_output", model)
    sums = os.path.join(out, "SHA256SUMS")
    lines = [line for line in open(sums) if not line.endswith(" plate.traineddata\n")] if os.path.exists(sums) else []
    with open(model, "rb") as f:
        lines.append("%s  plate.traineddata\n" % hashlib.sha256(f.read()).hexdigest())
    with open(sums, "w") as f:
        f.writelines(lines)
    return model


def measure(folder, model, seed, backgrounds, count):
    """The share of lines, rendered like those of training but not among them, that the model reads exactly."""
    rng = random.Random("tesseract measure %d" % seed)
    pages, texts = [], []
    for _ in range(count):
        image, text = hard(rng, backgrounds)
        pages.append(Image.fromarray(image))
        texts.append(text)
    path = os.path.join(folder, "measure.tif")
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    read = subprocess.run(["tesseract", path, "-", "--psm", "13", "--tessdata-dir", os.path.dirname(os.path.abspath(model)), "-l", "plate",
                           "-c", "tessedit_do_invert=0"], env=QUIET, check=True, capture_output=True, text=True).stdout
    got = [re.sub(r"\s", "", page) for page in read.split("\f")]
    right = sum(a == b for a, b in zip(got, texts))
    print("%d of %d rendered lines read exactly" % (right, count))
    return right / count


def run(*command):
    subprocess.run(command, env=QUIET, check=True)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--data", required=True, help="folder for pages and checkpoints, outside the repository")
    a.add_argument("--out", required=True, help="folder that the model is written to")
    a.add_argument("--boxes", help="folder with boxes.csv and images/ (MIT road scenes)")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--easy", type=int, nargs=2, default=(30, 5000), metavar=("FILES", "LINES"), help="files of %d lines, and lines to train on" % PAGES)
    a.add_argument("--hard", type=int, nargs=2, default=(120, 60000), metavar=("FILES", "LINES"), help="the same of lines as a camera gives them")
    a.add_argument("--measure", type=int, default=500, help="rendered lines to measure on")
    a = a.parse_args()
    cv2.setNumThreads(1)
    backgrounds = scene.Backgrounds(a.boxes)
    os.makedirs(a.data, exist_ok=True)
    os.makedirs(a.out, exist_ok=True)
    proto, network, english = start(a.data)
    lines = 0
    for kind, (files, share) in (("easy", a.easy), ("hard", a.hard)):
        for n in range(files):
            render(a.data, kind, n, a.seed, backgrounds)
        lines += share
        checkpoint = train(a.data, kind, proto, network, english, lines)
    model = export(a.data, proto, checkpoint, a.out)
    measure(a.data, model, a.seed, backgrounds, a.measure)


if __name__ == "__main__":
    main()
