"""Renders testdata/drive: a minute of traffic seen from a patrol car, day into
dusk, with the position log of the drive, the truth and a list that some of its
vehicles are on. The same files come out every time.
"""

import csv
import datetime
import math
import pathlib
import random
import subprocess
import sys

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "drive"
sys.path.append(str(FOLDER.parent.parent / "recognise" / "train"))

import optics
import plate
import road
import scene
import vehicle

SEED = 20261117
RATE, SECONDS = 15, 60  # frames a second
START = datetime.datetime(2026, 11, 17, 15, 40, 0, tzinfo=datetime.timezone.utc)
LATITUDE, LONGITUDE, COURSE = 52.19000, -1.61000, 64.0  # where the made-up road begins, and its way
SMALLEST = 40  # pixels: a narrower plate is not part of the truth

WHITE, SILVER, GREY, BLACK = (0.72, 0.73, 0.74), (0.40, 0.39, 0.38), (0.10, 0.095, 0.09), (0.018, 0.017, 0.017)
BLUE, NAVY, RED, GREEN = (0.36, 0.13, 0.05), (0.12, 0.035, 0.025), (0.03, 0.03, 0.38), (0.05, 0.12, 0.05)

# Each vehicle that comes by: when it is level with the camera (or, ahead, when
# it is nearest), what it is, which way, its colour and its mark. An oncoming one
# goes at speed metres a second; a parked one at 0.
TRAFFIC = [
    (4.0, "parked", "hatch", RED, "KV13 TRX", 0),
    (5.5, "oncoming", "saloon", SILVER, "LD19 OXA", 6.5),
    (9.0, "oncoming", "van", WHITE, "YX65 FKN", 6.0),
    (10.5, "parked", "suv", BLACK, "BN66 WZE", 0),
    (14.0, "oncoming", "hatch", BLUE, "MT08 HJV", 6.5),
    (19.0, "ahead", "hatch", NAVY, "EO71 PBY", 0),
    (18.5, "oncoming", "suv", GREY, "GX22 ZRU", 6.0),
    (22.5, "oncoming", "saloon", RED, "R418 KDA", 6.5),
    (26.0, "parked", "van", WHITE, "WR17 YSL", 0),
    (27.5, "oncoming", "hatch", GREEN, "P75 GHN", 6.0),
    (31.0, "oncoming", "van", GREY, "SK24 VEB", 6.5),
    (33.5, "parked", "saloon", SILVER, "DA59 CWM", 0),
    (36.0, "oncoming", "hatch", WHITE, "NJ21 LFD", 6.0),
    (43.0, "ahead", "suv", SILVER, "HF73 RUC", 0),
    (41.0, "oncoming", "saloon", BLACK, "AGZ 4871", 6.5),
    (45.5, "oncoming", "hatch", SILVER, "CV15 XMT", 6.0),
    (50.0, "parked", "hatch", BLUE, "FP62 JNK", 0),
    (51.5, "oncoming", "suv", WHITE, "VU70 BGO", 6.5),
    (55.0, "oncoming", "saloon", NAVY, "PE18 DSR", 6.0),
    (58.0, "parked", "saloon", GREY, "LB04 AVX", 0),
]


def speed(t):
    """The patrol car's own speed in metres a second."""
    return 5.6 + 1.0 * math.sin(t / 6.5) + 0.5 * math.sin(t / 2.3 + 1)


def travelled():
    """Metres gone at each frame, and a little beyond either end."""
    steps = np.arange(0, SECONDS * RATE * 10 + 1)
    return np.concatenate([[0], np.cumsum([speed(s / (RATE * 10)) / (RATE * 10) for s in steps])])


GONE = travelled()


def gone(t):
    return float(np.interp(t * RATE * 10, np.arange(len(GONE)), GONE, right=GONE[-1])) + max(0.0, t - SECONDS) * 5.6 + min(0.0, t) * 5.6


class Passing:
    """One line of TRAFFIC as a vehicle that moves."""

    def __init__(self, line, number):
        self.at, self.way, kind, colour, self.mark, self.speed = line
        facing = "front" if self.way == "oncoming" else "rear"
        texture, corners = plate.render(self.mark, facing, rng=random.Random(SEED + number))
        size = (texture.shape[1] / 4000, texture.shape[0] / 4000)  # four pixels a millimetre
        self.vehicle = vehicle.Vehicle(kind, facing, colour, self.mark.replace(" ", ""), texture, corners, size)
        self.aside = random.Random(number).uniform(-0.15, 0.15)

    def place(self, t):
        """Moves the vehicle to where it is at t; False where it cannot be seen."""
        v = self.vehicle
        if self.way == "oncoming":
            v.x, v.z = 3.25 + self.aside, gone(self.at) - gone(t) + self.speed * (self.at - t) + 2
            v.turn = 0.8
        elif self.way == "parked":
            v.x, v.z = -2.85 + self.aside, gone(self.at) - gone(t) + 2
        else:  # comes nearer, is followed, turns off
            before = self.at - t
            v.z = 6.2 + 1.1 * abs(before) ** 1.35 if before > 0 else 6.2 + 0.3 * before * before
            v.x = 0.05 * math.sin(t * 1.3)
            leaving = max(0.0, -before - 3.0)
            v.x -= 1.3 * leaving**1.8
            v.z += 1.5 * leaving
            v.turn = -14 * min(leaving, 2.2)
            v.brake = float(before < 3)
        return 2.5 < v.z < 75 and v.x > -9

    def blur(self, camera, t, light):
        """Pixels that the plate moves while the shutter is open."""
        here = camera.project(self.vehicle.plate_corners()).mean(0)
        self.place(t + 1 / RATE)
        there = camera.project(self.vehicle.plate_corners()).mean(0)
        self.place(t)
        open_for = 1 / (800 - 450 * (1 - light.day))
        return tuple((there - here) * RATE * open_for)


def day(t):
    return float(np.clip((50 - t) / 34, 0.03, 1))


def frames():
    """Every frame of the drive with the plates in it: (image, [(mark, corners, seen)])."""
    rng = np.random.default_rng(SEED)
    camera = optics.Camera()
    way = road.Road(camera, rng)
    passing = [Passing(line, n) for n, line in enumerate(TRAFFIC)]
    for n in range(RATE * SECONDS):
        t = n / RATE
        light = optics.Light(day(t))
        # The car bobs: a few millimetres and a fraction of a pixel.
        camera.above = 1.35 + 0.006 * math.sin(t * 9.1) + 0.004 * math.sin(t * 14.7)
        here = [p for p in passing if p.place(t)]
        blur = {id(p.vehicle): p.blur(camera, t, light) for p in here}
        image, plates = scene.paint(camera, way, light, [p.vehicle for p in here], gone(t), lambda v: blur[id(v)])
        yield optics.finish(image, light, rng), [(p, *seen) for p, seen in zip(here, plates)]


def record_truth(truth, number, plates, camera):
    for passing, corners, seen in plates:
        width = float(np.linalg.norm(corners[1] - corners[0]))
        low, high = corners.min(0), corners.max(0)
        inside = low[0] >= 0 and low[1] >= 0 and high[0] < camera[0] and high[1] < camera[1]
        if width < SMALLEST or not inside or seen < 0.98:
            continue
        row = truth.setdefault(passing.mark, {"plate": passing.mark.replace(" ", ""), "end": passing.vehicle.facing,
            "direction": "towards" if passing.way == "oncoming" else "away", "kind": passing.vehicle.kind, "first_frame": number, "width": 0})
        row["last_frame"] = number
        if width > row["width"]:
            x, y = np.floor(low).astype(int)
            w, h = (np.ceil(high) - np.floor(low)).astype(int)
            row.update(width=round(width), widest_frame=number, x=x, y=y, w=w, h=h)


def sentence(body):
    check = 0
    for c in body:
        check ^= ord(c)
    return f"${body}*{check:02X}\r\n"


def angle(value, digits, positive, negative):
    degrees, minutes = divmod(abs(value) * 60, 60)
    return f"{int(degrees):0{digits}d}{minutes:08.5f},{positive if value >= 0 else negative}"


def write_positions(path):
    """RMC and GGA once a second, as a receiver sends them."""
    with open(path, "w", newline="") as out:
        for second in range(SECONDS + 1):
            along, when = gone(second), START + datetime.timedelta(seconds=second)
            north, east = along * math.cos(math.radians(COURSE)), along * math.sin(math.radians(COURSE))
            latitude = LATITUDE + north / 111_320
            longitude = LONGITUDE + east / (111_320 * math.cos(math.radians(LATITUDE)))
            place = f"{angle(latitude, 2, 'N', 'S')},{angle(longitude, 3, 'E', 'W')}"
            knots = speed(second) / 0.514444
            out.write(sentence(f"GPRMC,{when:%H%M%S}.00,A,{place},{knots:.2f},{COURSE:.1f},{when:%d%m%y},,,A"))
            out.write(sentence(f"GPGGA,{when:%H%M%S}.00,{place},1,{9 + second % 3},{0.9 + 0.05 * (second % 4):.2f},62.0,M,47.5,M,,"))


def main():
    FOLDER.mkdir(exist_ok=True)
    truth, size = {}, (1280, 720)
    encoder = subprocess.Popen(
        ["ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", str(RATE), "-i", "-",
         "-c:v", "libx264", "-preset", "slow", "-crf", "27", "-pix_fmt", "yuv420p", "-g", str(RATE * 2), "-threads", "1", "-fflags", "+bitexact",
         "-flags:v", "+bitexact", "-movflags", "+faststart", str(FOLDER / "drive.mp4")], stdin=subprocess.PIPE)
    for number, (image, plates) in enumerate(frames(), 1):
        record_truth(truth, number, plates, size)
        encoder.stdin.write(image.tobytes())
        if number % (10 * RATE) == 0:
            print(f"{number // RATE} s of {SECONDS} s rendered", flush=True)
    encoder.stdin.close()
    if encoder.wait():
        sys.exit("ffmpeg could not encode the drive")
    with open(FOLDER / "truth.csv", "w", newline="") as out:
        columns = ["plate", "end", "direction", "kind", "first_frame", "last_frame", "widest_frame", "x", "y", "w", "h"]
        writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(truth.values(), key=lambda r: r["first_frame"]))
    write_positions(FOLDER / "drive.nmea")


if __name__ == "__main__":
    main()
