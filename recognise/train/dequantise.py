"""Dequantise: a network of eight-bit weights, as Debian ships Tesseract's, made one that lstmtraining can train on.

Each weight becomes its byte times its row's scale. The form of the file is that of Tesseract 4 and 5:
a tree of layers, each with its kind, its sizes and, where it has any, its matrices.
"""
import struct

INT, DOUBLE = 1, 128          # in a matrix's mode
LAYER_RATES = 64              # in a layer's flags: a list of learning rates follows
FIXED = {"Input": 20, "Convolve": 8, "Maxpool": 8, "Reconfig": 8}  # bytes of parameters
BRANCHES = ("Series", "Parallel", "RTLReversed", "TTBReversed", "XYTranspose")
DENSE = ("Tanh", "Softmax", "Relu", "Logistic", "NoLinear")


class Dequantise:
    def __init__(self, data):
        self.data, self.at, self.out = data, 0, bytearray()

    def whole(self):
        self.layer()
        self.copy_text()
        flags, = self.take("<i")
        self.put("<i", flags & ~1)  # no longer an integer network
        self.out += self.data[self.at:]
        return bytes(self.out)

    def take(self, form):
        size = struct.calcsize(form)
        values = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return values

    def put(self, form, *values):
        self.out += struct.pack(form, *values)

    def copy(self, form):
        values = self.take(form)
        self.put(form, *values)
        return values

    def copy_text(self):
        n, = self.copy("<i")
        return b"".join(self.copy("<%ds" % n)).decode()

    def layer(self):
        self.copy("<b")
        kind = self.copy_text()
        self.copy("<2b")
        flags, inputs, outputs, _ = self.copy("<4i")
        self.copy_text()
        if kind in FIXED:
            self.copy("<%ds" % FIXED[kind])
        elif kind in BRANCHES:
            for _ in range(*self.copy("<i")):
                self.layer()
            if flags & LAYER_RATES:
                self.copy("<%df" % self.copy("<i"))
        elif kind in ("LSTM", "SummLSTM"):
            width, = self.copy("<i")
            for _ in range(4 if width == inputs + outputs else 5):
                self.matrix()
        elif kind in DENSE:
            self.matrix()
        else:
            raise ValueError("a layer of unknown kind: " + kind)

    def matrix(self):
        mode, = self.take("<B")
        if not mode & INT:
            raise ValueError("the network has no integer weights")
        self.put("<B", mode & ~INT | DOUBLE)
        rows, columns = self.copy("<2i")
        self.take("<b")
        self.put("<d", 0)
        weights = self.take("<%db" % (rows * columns))
        scales = self.take("<%dd" % self.take("<I"))
        for row in range(rows):
            self.put("<%dd" % columns, *(w * scales[row] for w in weights[row * columns:(row + 1) * columns]))


def dequantise(data):
    return Dequantise(data).whole()
