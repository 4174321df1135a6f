# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw lines over time, in SVG: small, sharp, readable in black and white."""
import html
import math

WIDTH_PX, HEIGHT_PX = 860, 400
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 70, 20, 20, 80
LINE_PX = 18
COLOURS = ('#ffd479', '#ff8f80', '#7fb7ff', '#8fd694')
DASHES = ('', '7 4', '2 3', '12 3 2 3')

HEAD = '''<svg xmlns="http://www.w3.org/2000/svg" width="{width}" \
height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, \
monospace; fill: #c5d0da; }}
.grid {{ stroke: #2c3640; }}
.mark {{ stroke: #8b98a5; stroke-dasharray: 2 4; }}
.line {{ fill: none; stroke-width: 2; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#14191f"/>
'''


def step_of(span, most):
    """Return a round step that divides a span into at most so many parts."""
    step = 10 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= most:
            return step * factor
    return step * 10


def thin(points, least_x, least_y):
    """Leave out points that nobody could see beside the one before."""
    kept = points[:1]
    for before, point in zip(points, points[1:]):
        if point[0] - kept[-1][0] >= least_x or \
                abs(point[1] - kept[-1][1]) >= least_y:
            if kept[-1] != before:
                kept.append(before)
            kept.append(point)
    return kept + points[-1:]


class Chart:
    """Axes: all of the time, and from zero to the largest value there is."""

    def __init__(self, series):
        points = [point for line in series for point in line['points']]
        self.least_x = min(x for x, _ in points)
        self.most_x = max(x for x, _ in points)
        self.step_x = step_of(self.most_x - self.least_x, 14)
        self.step_y = step_of(max(y for _, y in points), 7)
        self.most_y = self.step_y * math.ceil(max(y for _, y in points) /
                                              self.step_y)

    def x(self, value):
        """Return the place of a value on the axis to the right."""
        width = WIDTH_PX - LEFT_PX - RIGHT_PX
        return round(LEFT_PX + width * (value - self.least_x) /
                     (self.most_x - self.least_x), 1)

    def y(self, value):
        """Return the place of a value on the axis upwards."""
        height = HEIGHT_PX - TOP_PX - BOTTOM_PX
        return round(HEIGHT_PX - BOTTOM_PX - height * value / self.most_y, 1)

    def grid(self, unit_x, unit_y):
        """Yield the grid, and what stands at its lines."""
        bottom, right = self.y(0), self.x(self.most_x)
        for i in range(int(self.most_y / self.step_y) + 1):
            y = self.y(i * self.step_y)
            yield (f'<path class="grid" d="M{LEFT_PX} {y}H{right}"/>'
                   f'<text x="{LEFT_PX - 8}" y="{y + 4}" text-anchor="end">'
                   f'{i * self.step_y:g}</text>')
        for i in range(math.ceil(self.least_x / self.step_x),
                       int(self.most_x / self.step_x) + 1):
            x = self.x(i * self.step_x)
            yield (f'<path class="grid" d="M{x} {TOP_PX}V{bottom}"/>'
                   f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">'
                   f'{i * self.step_x:g}</text>')
        yield (f'<text x="{right}" y="{bottom + 34}" text-anchor="end">'
               f'{html.escape(unit_x)}</text>'
               f'<text x="{LEFT_PX + 6}" y="{TOP_PX + 12}">'
               f'{html.escape(unit_y)}</text>')

    def line(self, number, line):
        """Return a line and its name below."""
        points = thin(line['points'], (self.most_x - self.least_x) / 400,
                      self.most_y / 200)
        path = 'L'.join(f'{self.x(x)} {self.y(y)}' for x, y in points)
        style = (f'stroke="{COLOURS[number]}" '
                 f'stroke-dasharray="{DASHES[number]}"')
        x = LEFT_PX + number * (WIDTH_PX - LEFT_PX) // len(COLOURS)
        y = HEIGHT_PX - LINE_PX
        return (f'<path class="line" {style} d="M{path}"/>'
                f'<path class="line" {style} d="M{x} {y - 4}h24"/>'
                f'<text x="{x + 30}" y="{y}">{html.escape(line["name"])}'
                '</text>')


def draw(title, data, unit_x, unit_y):
    """Return the SVG of data: series of a name and points, marks at times."""
    chart = Chart(data['series'])
    parts = [HEAD.format(width=WIDTH_PX, height=HEIGHT_PX,
                         title=html.escape(title))]
    parts += chart.grid(unit_x, unit_y)
    for mark in data.get('marks', []):
        parts.append(f'<path class="mark" d="M{chart.x(mark)} {TOP_PX}'
                     f'V{chart.y(0)}"/>')
    parts += [chart.line(number, line)
              for number, line in enumerate(data['series'])]
    return '\n'.join(parts + ['</svg>\n'])
