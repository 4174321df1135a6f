# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw lines over logarithmic axes, in SVG: small, sharp, searchable."""
import html
import math

PANEL_PX = (300, 230)           # the axes of a panel
LEFT_PX, RIGHT_PX = 64, 26
TOP_PX, BOTTOM_PX = 62, 50
LEGEND_PX = 18                  # a line of the legend
TICK_SIZES = (1, 2, 5)

COLOURS = ('#7cc5ff', '#ffb454', '#8fd694', '#ff8f80', '#d2a6ff', '#ffd479')

HEAD = '''<svg xmlns="http://www.w3.org/2000/svg" width="{width}" \
height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 12px system-ui, "DejaVu Sans", Helvetica, Arial, sans-serif; \
fill: #c5d0da; }}
.title {{ font-size: 15px; fill: #ffffff; }}
.panel {{ font-size: 13px; fill: #ffd479; }}
.axis {{ stroke: #8b98a5; fill: none; }}
.grid {{ stroke: #2b343d; fill: none; }}
.line {{ fill: none; stroke-width: 2; }}
.end {{ text-anchor: end; }}
.middle {{ text-anchor: middle; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#14191f"/>
'''


class Panel:
    """One pair of axes; series are (name, dashed, colour, points)."""

    def __init__(self, title, x_label, y_label, series):
        self.title, self.x_label, self.y_label = title, x_label, y_label
        self.series = series
        xs = [x for *_, points in series for x, _ in points]
        ys = [y for *_, points in series for _, y in points]
        self.x_range = (min(xs), max(xs))
        self.y_range = (tick_below(min(ys)), tick_above(max(ys)))

    def x(self, value):
        """Return the distance of value from the left end of the axis."""
        return PANEL_PX[0] * fraction(value, self.x_range)

    def y(self, value):
        """Return the distance of value from the top of the axis."""
        return PANEL_PX[1] * (1 - fraction(value, self.y_range))


def fraction(value, ends):
    """Return where value is between the ends, on a logarithmic scale."""
    low, high = (math.log(end) for end in ends)
    return (math.log(value) - low) / (high - low)


def ticks():
    """Return the numbers that may stand beside an axis."""
    return [size * 10.0 ** power for power in range(-4, 9)
            for size in TICK_SIZES]


def tick_below(value):
    """Return the tick at or below value."""
    return max(tick for tick in ticks() if tick <= value)


def tick_above(value):
    """Return the tick at or above value."""
    return min(tick for tick in ticks() if tick >= value)


def number(value):
    """Return value as it stands beside an axis."""
    return f'{value:,.0f}' if value >= 1 else f'{value:g}'


def x_ticks(panel):
    """Return the values of the points, or tens where those are many."""
    values = sorted({x for *_, points in panel.series for x, _ in points})
    wide = values[-1] / values[0] >= 1000
    return [x for x in values if not wide or
            math.log10(x) == round(math.log10(x))]


def y_ticks(panel):
    """Return ticks, thinned out where they would touch."""
    low, high = panel.y_range
    inside = [tick for tick in ticks() if low <= tick <= high]
    tens = [tick for tick in inside
            if math.isclose(math.log10(tick) % 1, 0, abs_tol=1e-9)]
    return tens if len(inside) > 8 and len(tens) > 2 else inside


def draw_axes(panel):
    """Return the axes, their grid and their texts."""
    width, height = PANEL_PX
    parts = [f'<text class="panel" y="-12">{html.escape(panel.title)}'
             '</text>']
    for value in y_ticks(panel):
        y = panel.y(value)
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{width}"/>'
                     f'<text class="end" x="-8" y="{y + 4:.1f}">'
                     f'{number(value)}</text>')
    for value in x_ticks(panel):
        x = panel.x(value)
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{height}"/>'
                     f'<text class="middle" x="{x:.1f}" y="{height + 18}">'
                     f'{number(value)}</text>')
    parts.append(f'<path class="axis" d="M0 0V{height}H{width}"/>')
    parts.append(f'<text class="middle" x="{width / 2}" y="{height + 36}">'
                 f'{html.escape(panel.x_label)}</text>')
    parts.append(f'<text class="middle" transform="translate(-46 '
                 f'{height / 2}) rotate(-90)">{html.escape(panel.y_label)}'
                 '</text>')
    return parts


def draw_panel(panel, left):
    """Return a panel that begins at left."""
    parts = [f'<g transform="translate({left} {TOP_PX})">',
             *draw_axes(panel)]
    for row, (name, dashed, colour, points) in enumerate(panel.series):
        style = f'stroke="{COLOURS[colour]}"' + \
            (' stroke-dasharray="6 4"' if dashed else '')
        path = 'L'.join(f'{panel.x(x):.1f} {panel.y(y):.1f}'
                        for x, y in points)
        y = PANEL_PX[1] + BOTTOM_PX + row * LEGEND_PX
        parts.append(f'<path class="line" {style} d="M{path}"/>'
                     f'<path class="line" {style} d="M0 {y}h30"/>'
                     f'<text x="38" y="{y + 4}">{html.escape(name)}</text>')
    return parts + ['</g>']


def draw(title, panels):
    """Return the SVG of panels side by side."""
    step = LEFT_PX + PANEL_PX[0] + RIGHT_PX
    rows = max(len(panel.series) for panel in panels)
    width = step * len(panels) + 10
    height = TOP_PX + PANEL_PX[1] + BOTTOM_PX + rows * LEGEND_PX + 4
    parts = [HEAD.format(width=width, height=height,
                         title=html.escape(title)),
             f'<text class="title" x="16" y="26">{html.escape(title)}'
             '</text>']
    for place, panel in enumerate(panels):
        parts += draw_panel(panel, place * step + LEFT_PX)
    return '\n'.join(parts + ['</svg>', ''])
