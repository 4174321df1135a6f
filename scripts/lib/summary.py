# SPDX-License-Identifier: GPL-2.0-or-later
"""Count the tests of runs of "meson test" and print one line.

A program that speaks TAP counts for each of its tests, any other for one.
A program that failed without a "not ok" (it crashed, hung, or stopped early)
counts for one failure more.
"""
import json
import re
import sys

TAP = re.compile(r'^(not )?ok\b(?:.*#\s*(skip|todo)\b)?', re.IGNORECASE)


def count(test):
    """Return (passed, failed, skipped) of one program."""
    passed = failed = skipped = 0
    for line in test.get('stdout', '').splitlines():
        match = TAP.match(line)
        if not match:
            continue
        if (match.group(2) or '').lower() == 'skip':
            skipped += 1
        elif match.group(1):
            failed += 1
        else:
            passed += 1
    good = test['result'] in ('OK', 'EXPECTEDFAIL')
    if test['result'] == 'SKIP':
        return 0, 0, max(skipped, 1)
    if good and passed + failed + skipped == 0:
        passed = 1
    if not good and failed == 0:
        failed = 1
    return passed, failed, skipped


def main(paths):
    """Read meson's logs, one JSON object a line."""
    tests = []
    try:
        for path in paths:
            with open(path, encoding='utf-8') as log:
                tests += [json.loads(line) for line in log]
    except OSError as error:
        print(f'check: error: {error}: the tests did not run')
        return 1
    total = [sum(column) for column in zip(*map(count, tests))] or [0, 0, 0]
    for test in tests:
        if count(test)[1]:
            print(f'failed: {test["name"]} ({test["result"]})')
    print('{} passed, {} failed, {} skipped'.format(*total))
    return 1 if total[1] or not total[0] else 0


sys.exit(main(sys.argv[1:]))
