"""Worsened photographs against their truth: python3 -m unittest in this folder."""
import random
import unittest

import numpy as np

import worsen


class Worsened(unittest.TestCase):
    def test_boxes_lie_about_their_plates_in_every_category(self):
        photograph = np.zeros((480, 640, 3), np.uint8)
        boxes = np.array([[200, 300, 180, 40], [500, 100, 60, 14]], np.float32)
        for x, y, w, h in boxes.astype(int):
            photograph[y:y + h, x:x + w] = 255
        for category, (widest, _, _) in worsen.CATEGORIES.items():
            image, seen = worsen.worsened(photograph, boxes, category, random.Random(1))
            self.assertLessEqual(seen[0][2], (widest or 1000) + 1, category)
            bright = image[..., 1] > image.max() / 2
            inside = np.zeros_like(bright)
            for x, y, w, h in seen:
                inside[int(y) - 1:int(y + h) + 2, int(x) - 1:int(x + w) + 2] = True
                self.assertGreater(bright[int(y):int(y + h) + 1, int(x):int(x + w) + 1].mean(), .2, category)
            self.assertLess((bright & ~inside).sum(), bright.sum() / 8, category)

    def test_each_category_is_worse_in_its_own_way(self):
        rng = np.random.default_rng(1)
        photograph = rng.integers(60, 200, (240, 320, 3), np.uint8)
        boxes = np.array([[100, 100, 64, 16]], np.float32)
        image = {c: worsen.worsened(photograph, boxes, c, random.Random(1))[0].astype(float) for c in worsen.CATEGORIES}
        self.assertLess(image["dark"].mean(), photograph.mean() / 5)
        self.assertLess(np.diff(image["moved"], axis=1).std(), np.diff(image["moved"], axis=0).std() / 3)
        self.assertLess(image["defocused"].std(), photograph.std() / 3)
        self.assertGreater(image["12 degrees"].shape, photograph.shape)


if __name__ == "__main__":
    unittest.main()
