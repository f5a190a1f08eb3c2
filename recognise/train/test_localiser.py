"""What finder and localiser learn from: python3 -m unittest in this folder."""
import random
import unittest

import numpy as np

import localiser

BOX = np.array([[100, 80], [160, 80], [160, 96], [100, 96]], np.float32)


class Varied(unittest.TestCase):
    def test_corners_go_where_the_plate_goes(self):
        pictures, quads = np.zeros((40, 256, 384, 3), np.uint8), np.full((40, 4, 8), np.nan, np.float32)
        pictures[:, 80:96, 100:160] = 255
        pictures[:, 80:96, 100:130, 0] = 0     # blue is lacking in its left half
        quads[:, 1] = BOX.reshape(-1)
        turned = 0
        for picture, plates in zip(*localiser.varied(pictures, quads, .25, .2, (1, -1), random.Random(1))):
            self.assertTrue(np.isnan(plates[[0, 2, 3]]).all())
            corners = plates[1].reshape(4, 2)
            ys, xs = np.where(picture[..., 1] > 127)
            np.testing.assert_allclose(corners[[0, 2]], [[xs.min(), ys.min()], [xs.max() + 1, ys.max() + 1]], atol=1)
            np.testing.assert_allclose(corners[[1, 3]], [[xs.max() + 1, ys.min()], [xs.min(), ys.max() + 1]], atol=1)
            turned += np.where(picture[..., 0] > 127)[1].mean() < corners.mean(0)[0]
        self.assertIn(turned, range(10, 31))

    def test_a_plate_whose_middle_leaves_the_picture_is_none(self):
        pictures, quads = np.zeros((60, 256, 384, 3), np.uint8), np.full((60, 4, 8), np.nan, np.float32)
        pictures[:, 80:96, :60] = 255
        quads[:, 0] = (BOX - [100, 0]).reshape(-1)
        left = 0
        for picture, plates in zip(*localiser.varied(pictures, quads, .25, .2, (1, -1), random.Random(2))):
            shown = (picture[..., 1] > 127).any(0).sum()
            if np.isnan(plates[0, 0]):
                left += 1
            else:
                self.assertGreater(shown, 22)
        self.assertIn(left, range(5, 50))


if __name__ == "__main__":
    unittest.main()
