# SPDX-License-Identifier: GPL-2.0-or-later
"""Goals of a benchmark: what was measured, what it should be."""


class Goals:
    """A table of goals, in the order in which they were first measured."""

    def __init__(self):
        self.rows = {}          # by what it is of: figure, goal, whether met

    def add(self, what, figure, goal, holds):
        """Note a goal; one that is measured again replaces the former."""
        self.rows[what] = (figure, goal, bool(holds))
        print(f'  {what}: {figure} (goal {goal}): '
              f'{"ok" if holds else "MISSED"}', flush=True)

    def at_most(self, what, value, limit, form='{:.2f}'):
        """Note a figure that is to be small."""
        self.add(what, form.format(value), '<= ' + form.format(limit),
                 value <= limit)

    def at_least(self, what, value, limit, form='{:.2f}'):
        """Note a figure that is to be large."""
        self.add(what, form.format(value), '>= ' + form.format(limit),
                 value >= limit)

    def missed(self):
        """Return what was missed."""
        return [what for what, (*_, holds) in self.rows.items() if not holds]

    def print_table(self):
        """Print them all."""
        width = max(map(len, self.rows), default=0)
        print(f'\n{"goal":<{width}} {"":>12} {"figure":>12}')
        for what, (figure, goal, holds) in self.rows.items():
            print(f'{what:<{width}} {goal:>12} {figure:>12}  '
                  f'{"ok" if holds else "MISSED"}')
