"""Makes a page that looks like a terminal from what `tmux capture-pane -epN` prints.

Usage: terminal_page.py light|dark < capture > page.html
"""
import html
import re
import sys

GROUND, TEXT = ("#16181d", "#d7dae0") if sys.argv[1] == "dark" else ("#ffffff", "#1f2328")
ATTRIBUTES = {1: "bold", 2: "dim", 7: "reverse"}
ENDS = {22: ("bold", "dim"), 27: ("reverse",), 39: ("colour",)}


def colour(n):
    """A colour of the 256 as CSS."""
    if n >= 232:
        return "#" + f"{8 + (n - 232) * 10:02x}" * 3
    cube = (n - 16) // 36, (n - 16) // 6 % 6, (n - 16) % 6
    return "#" + "".join(f"{0 if part == 0 else 55 + part * 40:02x}" for part in cube)


def change(look, numbers):
    """The look after the numbers of one escape sequence."""
    while numbers:
        n = numbers.pop(0)
        if n == 0:
            look = {}
        elif n == 38 and numbers[:1] == [5]:
            look = look | {"colour": colour(numbers[1])}
            numbers = numbers[2:]
        elif n in ATTRIBUTES:
            look = look | {ATTRIBUTES[n]: True}
        elif n in ENDS:
            look = {name: value for name, value in look.items() if name not in ENDS[n]}
    return look


def css(look):
    front, back = look.get("colour", TEXT), GROUND
    if look.get("reverse"):
        front, back = back, front
    weight = "bold" if look.get("bold") else "normal"
    return f"color:{front};background:{back};font-weight:{weight};opacity:{0.6 if look.get('dim') else 1}"


look, spans = {}, []
for part in re.split(r"(\x1b\[[0-9;]*m)", sys.stdin.read().rstrip("\n")):
    if part.startswith("\x1b"):
        look = change(look, [int(n or 0) for n in part[2:-1].split(";")])
    elif part:
        spans.append(f'<span style="{css(look)}">{html.escape(part)}</span>')
print(f"<!doctype html><meta charset='utf-8'><body style='margin:0;background:{GROUND}'>"
      f"<pre style='margin:12px;font:14px/1.25 \"DejaVu Sans Mono\",monospace;color:{TEXT}'>{''.join(spans)}</pre>")
