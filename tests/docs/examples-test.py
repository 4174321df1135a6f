# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the pages' examples against the program: examples-test.py SUNDER

A scenario shown must pass "sunder scenario check"; the verbs and options of
each "sunder ..." line must be in the help of that verb.
"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((REPO / 'docs').glob('*.rst')) + [REPO / 'README.md']
COMMAND = re.compile(r'^(?:    |\$ |    \$ )(?:time )?sunder ([a-z].*)$', re.M)
FAMILIES = ('fault', 'snap', 'scenario')


def run(*arguments):
    """Run the program; return its status and all it printed."""
    result = subprocess.run(arguments, text=True, check=False, timeout=60,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


def scenario_errors(sunder, text):
    """Return what the program says against the scenarios shown."""
    errors = []
    for block in re.findall(r'code-block:: yaml\n\n((?: {4}.*\n|\n)+)', text):
        scenario = re.sub('^    ', '', block, flags=re.M)
        if not re.search('^machine:', scenario, re.M):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'shown.yaml'
            path.write_text(scenario)
            status, output = run(sunder, 'scenario', 'check', str(path))
        if status:
            errors += output.splitlines()
    return errors


def words_of(line):
    """Split a command line; without what comes behind a pipe or --."""
    words = shlex.split(re.split(r' {2,}[^-]|[|;#]', line)[0]
                        if "'" not in line else line)
    return words[:words.index('--')] if '--' in words else words


def command_errors(sunder, text):
    """Return the verbs and options that the program does not know."""
    errors = []
    for line in COMMAND.findall(text.replace('\\\n', ' ')):
        try:
            words = words_of(line)
        except ValueError:
            words = line.split()
        verb = words[:2] if words[0] in FAMILIES else words[:1]
        status, help_text = run(sunder, *verb, '--help')
        if status:
            errors.append(f'sunder {" ".join(verb)}: no such verb')
        errors += [f'sunder {" ".join(verb)}: no option {word}'
                   for word in (w.split('=')[0] for w in words)
                   if re.fullmatch('--[a-z-]+', word)
                   and not re.search(word + r'\b', help_text)
                   and word != '--help']
    return errors


def main(sunder):
    """Print TAP: two lines for each page."""
    number = 0
    failed = False
    print(f'1..{2 * len(PAGES)}')
    for page in PAGES:
        text = page.read_text()
        for what, errors in (('scenarios', scenario_errors(sunder, text)),
                             ('commands', command_errors(sunder, text))):
            number += 1
            failed = failed or bool(errors)
            print(f'{"not ok" if errors else "ok"} {number} - '
                  f'{page.name}: {what} are right')
            for error in errors:
                print(f'# {error}')
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
