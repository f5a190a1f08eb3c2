"""Syntax: random registrations in their groups, British by the statutory layouts, European by habit."""
import re

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NO_IQ = "ABCDEFGHJKLMNOPRSTUVWXYZ"
NO_IQZ = "ABCDEFGHJKLMNOPRSTUVWXY"
YEAR = "ABCDEFGHJKLMNPRSTVWXY"
AGE = ["%02d" % n for n in list(range(2, 27)) + list(range(51, 77))]


def _some(rng, alphabet, n):
    return "".join(rng.choice(alphabet) for _ in range(n))


def _number(rng, longest):
    return str(rng.randint(1, 10 ** rng.randint(1, longest) - 1))


def british(rng):
    """Groups of one British registration; the current layout most often."""
    u = rng.random()
    if u < .60:
        return [_some(rng, NO_IQZ, 2) + rng.choice(AGE), _some(rng, NO_IQ, 3)]
    if u < .69:
        return [rng.choice(YEAR) + _number(rng, 3), _some(rng, NO_IQZ, 3)]
    if u < .75:
        return [_some(rng, NO_IQZ, 3), _number(rng, 3) + rng.choice(YEAR)]
    if u < .76:
        return ["Q" + _number(rng, 3), _some(rng, NO_IQZ, 3)]
    if u < .81:
        return [_some(rng, NO_IQZ, rng.randint(1, 3)), _number(rng, 4)]
    if u < .85:
        return [_number(rng, 4), _some(rng, NO_IQZ, rng.randint(1, 3))]
    if u < .90:  # Northern Ireland: I or Z among the last two letters
        pair = rng.choice([rng.choice("IZ") + rng.choice(LETTERS), rng.choice(NO_IQ) + rng.choice("IZ")])
        letters = rng.choice(["", rng.choice(NO_IQZ)]) + pair
        return [letters, _number(rng, 4)] if rng.random() < .85 else [str(rng.randint(1000, 9999)), letters]
    if u < .92:
        n, last = _number(rng, 4), _some(rng, NO_IQZ, 1)
        return [rng.choice([n + "MAN", "MAN" + n, "MAN" + n[:3] + last, last + n[:3] + "MAN"])]
    if u < .94:
        return [_some(rng, DIGITS, 3), rng.choice("DX"), _some(rng, DIGITS, 3)]
    if u < .96:
        return [_some(rng, DIGITS, 2), _some(rng, LETTERS, 2), _some(rng, DIGITS, 2)]
    if u < .97:
        return [_some(rng, LETTERS, 2), _some(rng, DIGITS, 2), _some(rng, LETTERS, 2)]
    if u < .98:
        return [_number(rng, 5)]
    return rng.choice([["J" + _number(rng, 6)], ["G" + _number(rng, 4), _some(rng, LETTERS, 1)]])


def european(rng):
    """Groups of one plate of another European country, or of no country at all."""
    d = lambda n: _some(rng, DIGITS, n)
    l = lambda n: _some(rng, LETTERS, n)
    country = rng.choice(["de", "de", "fr", "fr", "it", "es", "pl", "nl", "nl", "nl", "ro", "cz", "hu", "ie", "any", "any", "any", "any"])
    if country == "de":
        return [l(rng.randint(1, 3)), l(rng.randint(1, 2)), _number(rng, 4)]
    if country == "nl":
        return rng.choice([[d(2), l(3), d(1)], [l(2), d(2), l(2)], [d(1), l(3), d(2)], [d(2), d(2), l(2)], [d(2), l(2), l(2)], [l(2), l(2), d(2)], [l(1), d(3), l(2)]])
    if country == "pl":
        return [l(rng.randint(2, 3)), rng.choice([d(5), d(4) + l(1), d(3) + l(2), d(4)])]
    if country == "any":
        return rng.choice([[_some(rng, DIGITS + LETTERS, rng.randint(3, 8))], [l(rng.randint(2, 7))], [d(rng.randint(3, 7))],
                           [_some(rng, DIGITS + LETTERS, rng.randint(1, 4)), _some(rng, DIGITS + LETTERS, rng.randint(2, 4))]])
    return {"fr": lambda: [l(2), d(3), l(2)], "it": lambda: [l(2), d(3) + l(2)], "es": lambda: [d(4), l(3)],
            "ro": lambda: [l(rng.randint(1, 2)), d(rng.randint(2, 3)), l(3)], "cz": lambda: [d(1) + l(1) + d(1), d(4)],
            "hu": lambda: [l(3), d(3)], "ie": lambda: [d(rng.randint(2, 3)), l(1), _number(rng, 5)]}[country]()


def groups(vrm):
    """Split a British registration into its written groups."""
    vrm = re.sub(r"[^A-Z0-9]", "", vrm.upper())
    for pattern in (r"([A-Z]{2}\d{2})([A-Z]{3})", r"([A-Z]\d{1,3})([A-Z]{3})", r"([A-Z]{3})(\d{1,3}[A-Z])",
                    r"(\d{3})([DX])(\d{3})", r"(\d{2})([A-Z]{2})(\d{2})", r"([A-Z]{2})(\d{2})([A-Z]{2})",
                    r"([A-Z]{1,3})(\d{1,4})", r"(\d{1,4})([A-Z]{1,3})"):
        m = re.fullmatch(pattern, vrm)
        if m:
            return list(m.groups())
    return [vrm]
