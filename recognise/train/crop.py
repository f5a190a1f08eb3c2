"""Crop: the plate's quad rectified for the reader. The Go reader cuts in the same way."""
import cv2
import numpy as np

HEIGHT, WIDTH = 32, 128
MARGIN_X, MARGIN_Y = .04, .12
TWO_LINES_BELOW = 2.4   # width / height of the quad
TOP, BOTTOM = (0.0, .54), (.46, 1.0)


def size(quad):
    """Mean width and height of a quad TL, TR, BR, BL."""
    d = lambda a, b: float(np.hypot(*(quad[a] - quad[b])))
    return (d(0, 1) + d(3, 2)) / 2, (d(0, 3) + d(1, 2)) / 2


def transform(quad, box, w, h):
    """Homography from photograph to a w x h crop that shows `box` (x0, y0, x1, y1, as fractions of the quad)."""
    unit = cv2.getPerspectiveTransform(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), np.asarray(quad, np.float32))
    x0, y0, x1, y1 = box
    corners = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float32)
    src = cv2.perspectiveTransform(corners, unit)[0]
    return cv2.getPerspectiveTransform(src.astype(np.float32), np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32))


def line_width(quad, box):
    """Width in pixels of a line crop that is 32 high and keeps its proportions."""
    w, h = size(quad)
    x0, y0, x1, y1 = box
    return int(min(WIDTH, max(8, round(HEIGHT * w * (x1 - x0) / max(1e-3, h * (y1 - y0))))))


def cut(grey, quad, box, keep=False, double=False):
    """One crop of 32 x 128, uint8, and its homography. `keep` keeps the proportions and pads at the
    right with the median; `double` cuts at twice the size and averages down."""
    w = line_width(quad, box) if keep else WIDTH
    m = transform(quad, box, w, HEIGHT)
    if double:
        m2 = np.diag([2., 2., 1.]) @ m
        out = cv2.warpPerspective(grey, m2, (2 * w, 2 * HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        out = cv2.resize(out, (w, HEIGHT), interpolation=cv2.INTER_AREA)
    else:
        out = cv2.warpPerspective(grey, m, (w, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if w < WIDTH:
        out = np.hstack([out, np.full((HEIGHT, WIDTH - w), np.median(out), np.uint8)])
    return out, m


def boxes(quad):
    """The boxes to read, each with whether it keeps its proportions: one, or two for two lines."""
    w, h = size(quad)
    mx, my = MARGIN_X, MARGIN_Y
    if w / max(h, 1e-3) >= TWO_LINES_BELOW:
        return [((-mx, -my, 1 + mx, 1 + my), False)]
    return [((-mx, TOP[0] - my, 1 + mx, TOP[1]), True), ((-mx, BOTTOM[0], 1 + mx, BOTTOM[1] + my), True)]


def normalise(crops):
    """float32 (n, 1, 32, 128), each (x - mean) / (std + 4)."""
    x = np.asarray(crops, np.float32)
    return ((x - x.mean((1, 2), keepdims=True)) / (x.std((1, 2), keepdims=True) + 4))[:, None]
