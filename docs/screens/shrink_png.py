"""Writes a screenshot again as a PNG with a palette, which is a quarter of its size.

Usage: shrink_png.py FILE...
"""
import collections
import struct
import sys
import zlib


def read(data):
    """Its size, and its rows of pixels (red, green, blue)."""
    at, parts, head = 8, [], None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body, at = data[at + 8:at + 8 + size], at + 12 + size
        head = struct.unpack(">IIBB", body[:10]) if kind == b"IHDR" else head
        parts += [body] if kind == b"IDAT" else []
    wide, high, _, kind = head
    step = {2: 3, 6: 4}[kind]
    raw, before, rows = zlib.decompress(b"".join(parts)), bytearray(wide * step), []
    for y in range(high):
        start = y * (wide * step + 1)
        method, row = raw[start], bytearray(raw[start + 1:start + 1 + wide * step])
        for x in range(len(row) if method else 0):
            left = row[x - step] if x >= step else 0
            up, corner = before[x], before[x - step] if x >= step else 0
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            row[x] = (row[x] + (0, left, up, (left + up) // 2, near)[method]) & 255
        rows.append([bytes(row[x:x + 3]) for x in range(0, len(row), step)])
        before = row
    return wide, high, rows


def part(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def shrink(file):
    wide, high, rows = read(open(file, "rb").read())
    counted = collections.Counter(pixel for row in rows for pixel in row)
    colours = [pixel for pixel, _ in counted.most_common(256)]
    distance = lambda one, other: sum((a - b) ** 2 for a, b in zip(one, other))
    number = {pixel: at for at, pixel in enumerate(colours)}
    for pixel in counted.keys() - number.keys():  # the shades of few pixels, as the nearest one
        number[pixel] = number[min(colours, key=lambda colour: distance(colour, pixel))]
    lines = b"".join(b"\0" + bytes(number[pixel] for pixel in row) for row in rows)
    with open(file, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0)))
        out.write(part(b"PLTE", b"".join(colours)) + part(b"IDAT", zlib.compress(lines, 9)) + part(b"IEND", b""))


for name in sys.argv[1:]:
    shrink(name)
