# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw lines of text as a terminal, in SVG: small, sharp, searchable."""
import html
import textwrap

COLUMNS = 108
FONT_PX = 13
CHARACTER_PX = 7.83             # of most monospace fonts at that size
LINE_PX = 18
MARGIN_PX = 14

COLOURS = {
    'heading': '#ffd479',
    'command': '#ffffff',
    'before': '#8b98a5',
    'output': '#c5d0da',
    'alarm': '#ff8f80',
    'good': '#8fd694',
}

HEAD = '''<svg xmlns="http://www.w3.org/2000/svg" width="{width}" \
height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: {font}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, \
monospace; white-space: pre; }}
{styles}
</style>
<rect width="100%" height="100%" rx="8" fill="#14191f"/>
'''


def wrap(line):
    """Break a long line; what follows is indented."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent='      ',
                         drop_whitespace=False, expand_tabs=False,
                         break_long_words=True) or ['']


def draw(title, lines):
    """Return the SVG of (kind, text) lines; a kind is one of COLOURS."""
    rows = [(kind, row) for kind, text in lines for row in wrap(text)]
    width = round(COLUMNS * CHARACTER_PX + 2 * MARGIN_PX)
    height = len(rows) * LINE_PX + 2 * MARGIN_PX
    styles = '\n'.join(f'.{kind} {{ fill: {colour}; }}'
                       for kind, colour in COLOURS.items())
    parts = [HEAD.format(width=width, height=height, font=FONT_PX,
                         title=html.escape(title), styles=styles)]
    for number, (kind, row) in enumerate(rows, 1):
        y = MARGIN_PX + number * LINE_PX - 5
        if row.strip():
            parts.append(f'<text class="{kind}" x="{MARGIN_PX}" y="{y}" '
                         'xml:space="preserve">'
                         f'{html.escape(row.rstrip())}</text>\n')
    parts.append('</svg>\n')
    return ''.join(parts)
