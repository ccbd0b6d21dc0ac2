"""Draws the figures of `run` as SVG, with nothing but the standard library."""

import math

COLOURS = ["#1b6ca8", "#c8553d", "#3d8361", "#8a4f9e", "#b8860b"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 370, 62, 14, 34, 114
FONT = "font-family='sans-serif' font-size='11' fill='#333'"


class Axis:
    """From values to pixels."""

    def __init__(self, values, low, high, logarithmic):
        self.logarithmic = logarithmic
        if logarithmic:
            # Less than a hundredth is not measured.
            self.ticks = decades(max(min(values), 0.01), max(values))
            self.least, self.most = self.ticks[0], self.ticks[-1]
        else:
            self.ticks = steps(max(values))
            self.least, self.most = 0, self.ticks[-1]
        self.low, self.high = low, high

    def at(self, value):
        value = max(value, self.least)
        scale = math.log10 if self.logarithmic else float
        part = (scale(value) - scale(self.least)) / ((scale(self.most) - scale(self.least)) or 1)
        return round(self.low + part * (self.high - self.low), 1)


def decades(least, most):
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def steps(most):
    """Round numbers from 0 to a little above the most."""
    raw = (most or 1) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)] if most else [0, step]


def shown(value):
    for limit, letter in [(1e6, "M"), (1e3, "k")]:
        if value >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def panel(title, across, up, lines, left=0, logarithmic=(False, False)):
    """One picture: `lines` is a list of names and points."""
    points = [point for _, line in lines for point in line]
    x = Axis([point[0] for point in points], left + LEFT, left + WIDTH - RIGHT, logarithmic[0])
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP, logarithmic[1])
    out = [f"<text x='{left + LEFT}' y='18' {FONT} font-weight='bold'>{title}</text>",
           f"<text x='{left + (LEFT + WIDTH) / 2}' y='{HEIGHT - BOTTOM + 34}' text-anchor='middle' {FONT}>{across}</text>",
           f"<text transform='translate({left + 14} {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)' text-anchor='middle' {FONT}>{up}</text>"]
    for tick in x.ticks:
        out.append(f"<path d='M{x.at(tick)} {TOP}V{HEIGHT - BOTTOM}' stroke='#eee'/>"
                   f"<text x='{x.at(tick)}' y='{HEIGHT - BOTTOM + 15}' text-anchor='middle' {FONT}>{shown(tick)}</text>")
    for tick in y.ticks:
        out.append(f"<path d='M{left + LEFT} {y.at(tick)}H{left + WIDTH - RIGHT}' stroke='#ddd'/>"
                   f"<text x='{left + LEFT - 5}' y='{y.at(tick) + 4}' text-anchor='end' {FONT}>{shown(tick)}</text>")
    for nth, (name, line) in enumerate(lines):
        colour = COLOURS[nth % len(COLOURS)]
        path = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in line)
        out.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        out += [f"<circle cx='{x.at(a)}' cy='{y.at(b)}' r='3' fill='{colour}'/>" for a, b in line]
        row = HEIGHT - BOTTOM + 54 + 15 * nth
        out.append(f"<path d='M{left + LEFT + 10} {row - 4}h18' stroke='{colour}' stroke-width='2'/>"
                   f"<text x='{left + LEFT + 34}' y='{row}' {FONT}>{name}</text>")
    return "\n".join(out)


def picture(*panels):
    width = WIDTH * len(panels)
    drawn = "\n".join(draw(left=WIDTH * nth) for nth, draw in enumerate(panels))
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{HEIGHT}' viewBox='0 0 {width} {HEIGHT}'>\n"
            f"<rect width='100%' height='100%' fill='white'/>\n{drawn}\n</svg>\n")


def lines(points, steps_of, figure):
    """A line for each of `steps_of` (key to name) over n."""
    found = [(name, [(point["n"], point[key][figure]) for point in points if key in point])
             for key, name in steps_of.items()]
    return [(name, line) for name, line in found if line]


def costs(points, steps_of, across, logarithmic):
    """Panels for what each step took: `logarithmic` says whether n is drawn so."""
    drawn = [("time", "seconds", "seconds", True), ("work of all threads", "seconds", "cpu", True),
             ("peak memory", "MB", "peak_mb", False)]
    return [lambda left, title=title, up=up, figure=figure, powers=powers:
            panel(title, across, up, lines(points, steps_of, figure), left, (logarithmic, powers))
            for title, up, figure, powers in drawn]


def of_snapshots(points):
    steps_of = {"backup": "backup (a few changes)", "snapshots": "snapshots", "ls": "ls latest",
                "new_machine": "snapshots on a new machine"}
    across = "snapshots in the repository"

    def growth(left):
        found = [("everything", [(point["n"], point["stored_mb"]) for point in points]),
                 ("the log", [(point["n"], point["log_mb"]) for point in points])]
        return panel("stored", across, "MB", found, left)

    time, work, _ = costs(points, steps_of, across, False)
    return picture(time, work, growth)


def draw(figures, folder):
    def by_size(points, steps_of, across):
        return picture(*costs(points, steps_of, across, True))

    first = {"backup": "first backup", "again": "backup without a change"}
    drawings = {
        "files": lambda points: by_size(points, {**first, "ls": "ls", "restore": "restore"}, "files"),
        "folder": lambda points: by_size(
            points, {**first, "one_added": "backup of one more", "restore": "restore"}, "files in one folder"),
        "sparse": lambda points: by_size(
            points, {**first, "one_changed": "one run changed", "restore": "restore"}, "runs of 52 KiB in 200 GiB"),
        "snapshots": of_snapshots,
    }
    for name, drawing in drawings.items():
        if name in figures:
            (folder / f"scale-{name}.svg").write_text(drawing(figures[name]["points"]))
