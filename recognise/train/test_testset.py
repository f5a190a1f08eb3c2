"""The rendered test set: python3 -m unittest test_testset"""
import csv
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import testset


class Testset(unittest.TestCase):
    def test_a_picture_is_the_same_each_time_and_another_seed_gives_another(self):
        a, plates = testset.picture("60-90px", 1, 3)
        b, again = testset.picture("60-90px", 1, 3)
        c, other = testset.picture("60-90px", 2, 3)
        self.assertTrue(np.array_equal(a, b))
        self.assertEqual([t for t, _ in plates], [t for t, _ in again])
        self.assertNotEqual([t for t, _ in plates], [t for t, _ in other])
        self.assertEqual(a.shape, (720, 1280, 3))

    def test_plates_are_of_the_category_and_inside_the_picture(self):
        for number in range(3):
            _, plates = testset.picture("60-90px", 1, number)
            for text, quad in plates:
                self.assertTrue(text.isalnum() and text.isupper() or text.isdigit())
                self.assertTrue(56 <= np.ptp(quad[:, 0]) <= 92, np.ptp(quad[:, 0]))
                self.assertTrue(quad.min() > 0 and (quad < [1280, 720]).all())

    def test_far_and_near_plates_have_frames_of_their_own(self):
        for category, frame, narrow, wide in (("far-in-1920", (1080, 1920, 3), 56, 82), ("near-in-640", (480, 640, 3), 270, 520)):
            image, plates = testset.picture(category, 1, 0)
            self.assertEqual(image.shape, frame)
            for _, quad in plates:
                self.assertTrue(narrow <= np.ptp(quad[:, 0]) <= wide, np.ptp(quad[:, 0]))

    def test_the_truth_has_a_row_for_each_plate_and_one_for_a_picture_without(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "testset.py", "--out", folder, "--count", "1", "--category", "plate-free", "--category", "night-infrared"],
                           check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(folder, "truth.csv"), newline="") as f:
                rows = list(csv.DictReader(f))
            self.assertEqual(("", "none", "day"), tuple(rows[0][k] for k in ("plate", "region", "light")))
            self.assertTrue(rows[1]["plate"] and float(rows[1]["w"]) > 80 and rows[1]["light"] == "night")
            for r in rows:
                self.assertTrue(os.path.exists(os.path.join(folder, r["file"])))


if __name__ == "__main__":
    unittest.main()
