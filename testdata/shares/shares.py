#!/usr/bin/env python3
"""Card text v1 in a few lines of another language, standard library only.

  python3 shares.py vectors                          prints v1.json again
  python3 shares.py recover SERIAL LENGTH < CARDS    one card a line; prints S, user
                                                     PIN, SO PIN, wrapping key

Written from the format's description, not from the program: bech32m after BIP 350,
GF(256) with the polynomial of AES (FIPS 197), HKDF after RFC 5869.
"""
import hashlib, hmac, json, sys

CHARS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
M, OLD = 0x2BC830A3, 1  # the constants of bech32m and bech32


def polymod(values):
    chk = 1
    for v in values:
        top, chk = chk >> 25, (chk & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            chk ^= g if top >> i & 1 else 0
    return chk


def expand(hrp):
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def encode(hrp, data, const=M):
    bits = "".join(f"{b:08b}" for b in data)
    bits += "0" * (-len(bits) % 5)
    five = [int(bits[i : i + 5], 2) for i in range(0, len(bits), 5)]
    check = polymod(expand(hrp) + five + [0] * 6) ^ const
    five += [check >> 5 * (5 - i) & 31 for i in range(6)]
    text = hrp + "1" + "".join(CHARS[v] for v in five)
    text = text.upper()
    return text[:3] + "".join(" " + text[i : i + 4] for i in range(3, len(text), 4))


def decode(card):
    text = card.lower().replace(" ", "").replace("-", "")
    hrp, data = text.rsplit("1", 1)
    five = [CHARS.index(c) for c in data]
    if hrp not in ("kc", "kp") or polymod(expand(hrp) + five) != M:
        raise SystemExit("the checksum does not hold")
    bits = "".join(f"{v:05b}" for v in five[:-6])
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) // 8 * 8, 8))


def mul(a, b):
    r = 0
    while b:
        r ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return r


def inv(a):
    return next(x for x in range(1, 256) if mul(a, x) == 1)


def share(secret, coefficients, x):
    """y of each byte at x, then x itself: what the library calls a part."""
    out = []
    for byte, cs in zip(secret, coefficients):
        y, power = byte, 1
        for c in cs:
            power = mul(power, x)
            y ^= mul(c, power)
        out.append(y)
    return bytes(out) + bytes([x])


def combine(parts):
    xs, out = [p[-1] for p in parts], []
    for i in range(len(parts[0]) - 1):
        s = 0
        for a, p in zip(xs, parts):
            basis = 1
            for b in xs:
                basis = basis if b == a else mul(basis, mul(b, inv(a ^ b)))
            s ^= mul(p[i], basis)
        out.append(s)
    return bytes(out)


def hkdf(key, info, length):
    prk, out, t = hmac.new(bytes(32), key, hashlib.sha256).digest(), b"", b""
    while len(out) < length:
        t = hmac.new(prk, t + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += t
    return out[:length]


def pin(S, serial, who, longest):
    b = hkdf(S, b"claviger pin v1\n" + serial.rstrip(" ").encode() + b"\n" + who.encode(), 30)
    bits = "".join(f"{v:08b}" for v in b)
    return "".join(CHARS[int(bits[i : i + 5], 2)] for i in range(0, 240, 5))[: min(48, longest)]


def recover(cards):
    payloads = [decode(c) for c in cards]
    heads = {p[:7] for p in payloads}
    if len(heads) != 1 or payloads[0][0] != 1 or len({p[7] for p in payloads}) < payloads[0][5]:
        raise SystemExit("these are not enough cards of one set")
    return combine([p[8:] for p in payloads[: payloads[0][5]]])


# --- vectors ---------------------------------------------------------------


def stream(name, n):
    """Bytes that anyone can make again."""
    return hashlib.shake_256(b"claviger vector " + name.encode()).digest(n)


def vector(name, k, n, practice):
    token, system = stream(name + " token", 32), stream(name + " system", 32)
    S = hkdf(token + system, b"claviger s v1", 32)
    set_id, hrp = stream(name + " id", 4), "kp" if practice else "kc"
    flat = stream(name + " coefficients", 32 * (k - 1))
    coefficients = [flat[i * (k - 1) : (i + 1) * (k - 1)] for i in range(32)]
    xs = [x for x in dict.fromkeys(stream(name + " x", 200)) if x][:n]
    payloads = [bytes([1]) + set_id + bytes([k, n, i + 1]) + share(S, coefficients, x) for i, x in enumerate(xs)]
    assert combine([p[8:] for p in payloads[:k]]) == S
    serial = stream(name + " serial", 8).hex()
    return {
        "practice": practice, "k": k, "n": n, "set": set_id.hex(),
        "name": encode(hrp, payloads[0])[4:13],
        "token": token.hex(), "system": system.hex(), "secret": S.hex(),
        "commitment": hashlib.sha256(b"claviger set v1\n" + set_id + S).hexdigest(),
        "cards": [encode(hrp, p) for p in payloads],
        "fingerprints": [hashlib.sha256(b"claviger card v1\n" + p).hexdigest() for p in payloads],
        "serial": serial + "    ",
        "user-pin": pin(S, serial, "user", 255), "so-pin": pin(S, serial, "so", 255),
        "user-pin-of-32": pin(S, serial, "user", 32),
        "wrapping-key": hkdf(S, b"claviger kek v1", 32).hex(),
    }


def refused():
    head = bytes([1]) + stream("refused id", 4)
    part = stream("refused share", 33)
    good = head + bytes([3, 5, 4]) + part
    card = encode("kc", good)
    return [
        {"fault": "bech32", "text": encode("kc", good, OLD)},
        {"fault": "practice", "text": encode("kp", good)},
        {"fault": "practice", "text": encode("kp", good)[4:]},
        {"fault": "version", "text": encode("kc", bytes([2]) + good[1:])},
        {"fault": "version", "text": encode("kc", bytes([0]) + good[1:])},
        {"fault": "numbers", "text": encode("kc", head + bytes([3, 5, 0]) + part)},
        {"fault": "numbers", "text": encode("kc", head + bytes([3, 5, 6]) + part)},
        {"fault": "numbers", "text": encode("kc", head + bytes([6, 5, 1]) + part)},
        {"fault": "numbers", "text": encode("kc", head + bytes([1, 5, 1]) + part)},
        {"fault": "prefix", "text": encode("bc", good)},
        {"fault": "length", "groups": [18], "text": card[:-1]},
        {"fault": "length", "groups": [18], "text": card[:-5]},
        {"fault": "length", "groups": [6], "text": card[:30] + card[31:]},
        {"fault": "length", "text": card + " QQQQ"},
        {"fault": "length", "groups": [1], "text": ""},
        {"fault": "length", "groups": [1], "text": "KC1"},
        {"fault": "character", "groups": [3], "text": card[:14] + "B" + card[15:]},
        {"fault": "character", "groups": [18], "text": card[:-1] + "1"},
        {"fault": "character", "groups": [2], "text": card[:9] + "\u00d6" + card[10:]},
        {"fault": "character", "groups": [1], "text": card[:4] + "?" + card[5:]},
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["vectors"]:
        sets = [("two of three", 2, 3, False), ("three of five", 3, 5, False),
                ("eight of eight", 8, 8, False), ("practice", 2, 3, True)]
        out = {"sets": [vector(*s) for s in sets], "refused": refused()}
        print(json.dumps(out, indent=1, ensure_ascii=True))
    elif len(sys.argv) == 4 and sys.argv[1] == "recover":
        S, serial, longest = recover(sys.stdin.read().strip().splitlines()), sys.argv[2], int(sys.argv[3])
        print(S.hex(), pin(S, serial, "user", longest), pin(S, serial, "so", longest), hkdf(S, b"claviger kek v1", 32).hex(), sep="\n")
    else:
        raise SystemExit(__doc__)
