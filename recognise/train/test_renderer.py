"""The renderer against the statutory dimensions: python3 -m unittest in this folder."""
import random
import re
import unittest

import numpy as np

import dataset
import glyphs
import plate
import scene
import syntax


class Statutory(unittest.TestCase):
    def test_every_character_fills_its_box(self):
        for ch in glyphs.CHARS:
            m = glyphs.draw(ch) > 127
            self.assertEqual(m.shape, (79 * 4, (14 if ch in "1I" else 50) * 4), ch)
            rows, columns = np.where(m.any(1))[0], np.where(m.any(0))[0]
            self.assertLessEqual(rows[0], 3, ch)
            self.assertGreaterEqual(rows[-1], 79 * 4 - 4, ch)
            self.assertLessEqual(columns[0], 8, ch)
            self.assertGreaterEqual(columns[-1], m.shape[1] - 9, ch)

    def test_upright_strokes_are_14_mm(self):
        for ch in "BDEFHLPR01IU":
            row = glyphs.draw(ch)[28 * 4] > 127
            first = np.argmin(row[np.argmax(row):]) or row.sum()
            self.assertAlmostEqual(first / 4, 14, delta=.8, msg=ch)

    def test_current_layout_on_a_car_plate(self):
        image, corners = plate.render("AB12CDE", clean=True)
        self.assertEqual(image.shape, (444, 2080, 3))
        self.assertEqual(corners.tolist(), [[0, 0], [2080, 0], [2080, 444], [0, 444]])
        ink = np.where((image[..., 1] < 128).any(0))[0]
        width = 6 * 50 + 14 + 5 * 11 + 33  # the 1 is narrow
        self.assertAlmostEqual((ink[-1] - ink[0] + 1) / 4, width, delta=2.5)

    def test_two_lines_on_285_by_203(self):
        self.assertEqual(plate.render("AB12CDE", "rear", True, clean=True)[0].shape, (812, 1140, 3))

    def test_groups_follow_the_syntax(self):
        for vrm, want in (("AB12CDE", "AB12 CDE"), ("A1BCD", "A1 BCD"), ("ABC123D", "ABC 123D"), ("101D234", "101 D 234"), ("1ABC", "1 ABC")):
            self.assertEqual(" ".join(syntax.groups(vrm)), want)

    def test_motorcycle_characters_are_64_by_44_by_10(self):
        image, _ = plate.render("AB12CDE", "rear", True, clean=True, motorcycle=True)
        self.assertEqual(image.shape, (712, 916, 3))
        ink = image[..., 1] < 128
        rows = np.where(ink.any(1))[0]
        lines = 2 * 64 + 13
        self.assertAlmostEqual((rows[-1] - rows[0] + 1) / 4, lines, delta=1.5)
        below = np.where(ink[rows[0] + 77 * 4:].any(0))[0]   # C D E: the line is 13 mm below the first
        self.assertAlmostEqual((below[-1] - below[0] + 1) / 4, 3 * 44 + 2 * 10, delta=2.5)

    def test_every_british_syntax_is_drawn(self):
        rng = random.Random(1)
        seen = {re.sub("[A-Z]", "L", re.sub("[0-9]", "0", re.sub("MAN", "M-N", "".join(syntax.british(rng))))) for _ in range(40000)}
        for layout in ("LL00LLL", "L000LLL", "LLL000L", "LL0000", "0000LL", "LLL0000", "0000LLL", "L-L0000",
                       "0000L-L", "L-L000L", "L000L-L", "000L000", "00LL00", "LL00LL", "L000000", "00000", "L0000L"):
            self.assertIn(layout, seen)

    def test_a_boards_lettering_has_no_text_and_is_marked(self):
        _, text, ends, board = dataset.crop_sample(random.Random(3), scene.Backgrounds(), boards=1)
        self.assertEqual(("", 0, True), (text, len(ends), board))
        plates = dataset.reader_chunk(random.Random(4), scene.Backgrounds(), 24, boards=0)
        self.assertFalse(plates["board"].any())
        self.assertGreater((plates["t"] > 0).any(1).sum(), 12)

    def test_same_seed_same_crop_and_scene(self):
        for make in (dataset.crop_sample, scene.compose):
            a, b = (make(random.Random(7), scene.Backgrounds())[0] for _ in range(2))
            self.assertTrue((a == b).all(), make)

    def test_same_seed_same_plate(self):
        a, b = (plate.render("AB12CDE", rng=random.Random(7))[0] for _ in range(2))
        self.assertTrue((a == b).all())


if __name__ == "__main__":
    unittest.main()
