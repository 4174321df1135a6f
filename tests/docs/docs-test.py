# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the pages of docs/ parse and that what they name exists."""
import pathlib
import re
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((REPO / 'docs').rglob('*.rst'))
MARKDOWN = sorted(REPO.glob('*.md'))


def parse_errors(page):
    """Return docutils' complaints about a page."""
    import docutils.core
    import docutils.utils
    errors = []
    settings = {'report_level': 2, 'halt_level': 5, 'warning_stream': False,
                'file_insertion_enabled': True, 'syntax_highlight': 'none'}
    try:
        document = docutils.core.publish_doctree(
            page.read_text(), source_path=str(page),
            settings_overrides=settings)
    except docutils.utils.SystemMessage as error:
        return [str(error)]
    for node in document.findall(lambda n: n.tagname == 'system_message'):
        if node['level'] >= 2:
            errors.append(f'line {node.get("line", "?")}: '
                          f'{node.astext().splitlines()[0]}')
    return errors


def targets(page):
    """Yield the files that a page links to or shows."""
    text = page.read_text()
    if page.suffix == '.md':
        yield from re.findall(r'\]\(([^)#\s]+)', text)
    else:
        yield from re.findall(r'`[^`<]*<([^>#]+)[^>]*>`_', text)
        yield from re.findall(r'\.\. (?:image|figure|include):: (\S+)', text)


def lost_targets(page):
    """Return the targets that are no file of the repository."""
    return [f'{target}: no such file' for target in targets(page)
            if not re.match(r'[a-z]+:', target)
            and not (page.parent / target).exists()]


def sources():
    """Return the text of all C files."""
    return '\n'.join(path.read_text() for folder in
                     ('hw', 'target-models', 'tools')
                     for path in (REPO / folder).rglob('*.[ch]'))


def lost_functions(page, code):
    """Return the functions that a page names and no source knows."""
    names = re.findall(r'``([a-z0-9]+_[a-z_0-9]+)\(\)``', page.read_text())
    return [f'{name}(): no such function' for name in sorted(set(names))
            if not re.search(rf'\b{name}\(', code)]


def main():
    """Print TAP: a line for each page and check."""
    results = [(f'{page.relative_to(REPO)} points to files that exist',
                lost_targets(page)) for page in PAGES + MARKDOWN]
    code = sources()
    results += [(f'{page.relative_to(REPO)} names functions that exist',
                 lost_functions(page, code)) for page in PAGES]
    try:
        import docutils  # noqa: F401
        results += [(f'{page.relative_to(REPO)} parses', parse_errors(page))
                    for page in PAGES]
    except ImportError:
        results.append(('pages parse # SKIP no python3-docutils', []))
    print(f'1..{len(results)}')
    for number, (name, errors) in enumerate(results, 1):
        print(f'{"not ok" if errors else "ok"} {number} - {name}')
        for error in errors:
            print(f'# {error}')
    return any(errors for _, errors in results)


if __name__ == '__main__':
    sys.exit(main())
