# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw bars, in SVG: small, sharp, with their numbers beside them."""
import html

from plot_svg import COLOURS, HEAD

WIDTH_PX = 860
NAME_PX = 250                   # names, to the left of the bars
VALUE_PX = 90                   # numbers, to the right of them
TOP_PX = 48
BAR_PX = 16
ROW_PX = 22
GAP_PX = 36                     # between groups, for their titles


def draw_group(group, top):
    """Return the bars of a group: a title, and rows of a name, a value and
    the number of a colour."""
    title, unit, rows = group
    most = max(value for _, value, _ in rows)
    room = WIDTH_PX - NAME_PX - VALUE_PX
    parts = [f'<text class="panel" x="16" y="{top}">{html.escape(title)}'
             '</text>']
    for number, (name, value, colour) in enumerate(rows):
        y = top + 10 + number * ROW_PX
        width = room * value / most
        parts.append(
            f'<text class="end" x="{NAME_PX - 8}" y="{y + 13}">'
            f'{html.escape(name)}</text>'
            f'<rect x="{NAME_PX}" y="{y}" width="{width:.1f}" '
            f'height="{BAR_PX}" fill="{COLOURS[colour]}"/>'
            f'<text x="{NAME_PX + width + 6:.1f}" y="{y + 13}">'
            f'{value:,.0f} {html.escape(unit)}</text>')
    return parts


def draw(title, groups):
    """Return the SVG of groups below each other."""
    height = TOP_PX + sum(len(rows) * ROW_PX + GAP_PX
                          for _, _, rows in groups)
    parts = [HEAD.format(width=WIDTH_PX, height=height,
                         title=html.escape(title)),
             f'<text class="title" x="16" y="26">{html.escape(title)}'
             '</text>']
    top = TOP_PX + 8
    for group in groups:
        parts += draw_group(group, top)
        top += len(group[2]) * ROW_PX + GAP_PX
    return '\n'.join(parts + ['</svg>', ''])
