"""What finder and localiser learn from: python3 -m unittest in this folder."""
import random
import unittest

import numpy as np

import localiser
import scene

BOX = np.array([[100, 80], [160, 80], [160, 96], [100, 96]], np.float32)


class Varied(unittest.TestCase):
    def test_corners_go_where_the_plate_goes(self):
        pictures, quads = np.zeros((40, 256, 384, 3), np.uint8), np.full((40, 4, 8), np.nan, np.float32)
        pictures[:, 80:96, 100:160] = 255
        pictures[:, 80:96, 100:130, 0] = 0     # blue is lacking in its left half
        quads[:, 1] = BOX.reshape(-1)
        turned, wider = 0, []
        for picture, plates in zip(*localiser.varied(pictures, quads, .25, .12, .2, (1, -1), random.Random(1))):
            self.assertTrue(np.isnan(plates[[0, 2, 3]]).all())
            corners = plates[1].reshape(4, 2)
            ys, xs = np.where(picture[..., 1] > 127)
            np.testing.assert_allclose(corners[[0, 2]], [[xs.min(), ys.min()], [xs.max() + 1, ys.max() + 1]], atol=1)
            np.testing.assert_allclose(corners[[1, 3]], [[xs.max() + 1, ys.min()], [xs.min(), ys.max() + 1]], atol=1)
            wider.append((corners[1, 0] - corners[0, 0]) / (corners[3, 1] - corners[0, 1]) / (60 / 16))
            turned += np.where(picture[..., 0] > 127)[1].mean() < corners.mean(0)[0]
        self.assertIn(turned, range(10, 31))
        self.assertTrue(.75 < min(wider) < .9 and 1.1 < max(wider) < 1.3)

    def test_a_plate_whose_middle_leaves_the_picture_is_none(self):
        pictures, quads = np.zeros((60, 256, 384, 3), np.uint8), np.full((60, 4, 8), np.nan, np.float32)
        pictures[:, 80:96, :60] = 255
        quads[:, 0] = (BOX - [100, 0]).reshape(-1)
        left = 0
        for picture, plates in zip(*localiser.varied(pictures, quads, .25, .12, .2, (1, -1), random.Random(2))):
            shown = (picture[..., 1] > 127).any(0).sum()
            if np.isnan(plates[0, 0]):
                left += 1
            else:
                self.assertGreater(shown, 22)
        self.assertIn(left, range(5, 50))


class Muddy(unittest.TestCase):
    def test_mud_lies_on_the_lettering_of_some_plates_and_nowhere_else(self):
        pictures, quads = np.full((60, 128, 192, 3), 255, np.uint8), np.full((60, 4, 8), np.nan, np.float32)
        quads[:, 2] = (BOX - [40, 20]).reshape(-1)   # 60 to 120, 60 to 76
        localiser.muddy(pictures, quads, .5, random.Random(3))
        hidden = pictures[..., 1] < 128
        self.assertIn(hidden.any((1, 2)).sum(), range(18, 43))
        rows, columns = np.where(hidden.any(0))
        self.assertTrue(rows.min() > 56 and rows.max() < 80 and columns.min() > 52 and columns.max() < 128)
        for mud in hidden[hidden.any((1, 2))]:
            self.assertGreater(mud[60:76, 60:120].any(0).mean(), .4)


class Smeared(unittest.TestCase):
    def test_some_plates_of_photographs_are_rubbed_out_and_nothing_beside_them(self):
        photograph = np.full((512, 768, 3), 128, np.uint8)
        photograph[240:272, 320:448] = (np.arange(128) // 8 % 2 * 255)[:, None]   # upright strokes
        backgrounds = scene.Backgrounds()
        backgrounds.photographs.append((photograph, np.array([[320, 240, 128, 32]], np.float32)))
        rng, smeared, whole = random.Random(4), 0, 0
        for _ in range(300):
            im, (q,) = scene._real(rng, backgrounds)
            (x0, y0), (x1, y1) = (q[0] * .8 + q[2] * .2).astype(int), (q[0] * .2 + q[2] * .8).astype(int)
            inside = im[max(0, y0):y1, max(0, x0):x1]
            if inside.shape[1] < 40 or abs(q[0, 1] - q[1, 1]) > 1:   # cut off, small or turned
                continue
            whole += 1
            smeared += inside.std() < 60
            beside = im[:max(0, int(q[:, 1].min()) - 4)]
            self.assertTrue((abs(beside - 128) < 1).all())
        self.assertGreater(whole, 50)
        self.assertIn(round(100 * smeared / whole), range(4, 25))


if __name__ == "__main__":
    unittest.main()
