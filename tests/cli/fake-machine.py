#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine for the verbs of `sunder` to ask, without an emulator.

  fake-machine.py NAME ANSWERS    ANSWERS is a file of JSON: for each command
                                  what it returns, or {"error": TEXT}, or
                                  {"silent": true} to say nothing; under
                                  "events", for a command, a list of events
                                  that come before its reply or after it

With FAKE_LAB in the environment it is a machine of the lab of that name.  It
runs until it is killed; the commands that it hears, with their arguments,
are written to NAME.heard in the folder it was started in.
"""
import fcntl
import json
import os
import pathlib
import socket
import sys

GREETING = {'QMP': {'version': {}, 'capabilities': []}}


def answer(request, answers):
    """Return the reply to a request."""
    command = request['execute']
    if command == 'qmp_capabilities':
        reply = {'return': {}}
    elif command not in answers:
        reply = {'error': {'class': 'CommandNotFound', 'desc': command}}
    elif isinstance(answers[command], dict) and 'error' in answers[command]:
        reply = {'error': {'class': 'DeviceNotFound',
                           'desc': answers[command]['error']}}
    else:
        reply = {'return': answers[command]}
    return {**reply, 'id': request.get('id')}


def serve(connection, answers, heard):
    """Answer a client until it leaves."""
    stream = connection.makefile('rw', encoding='utf-8',
                                 errors='surrogateescape')
    try:
        stream.write(json.dumps(GREETING) + '\r\n')
        stream.flush()
        for line in stream:
            request = json.loads(line)
            heard.write(f'{request["execute"]} '
                        f'{json.dumps(request.get("arguments", {}))}\n')
            heard.flush()
            if answers.get(request['execute']) == {'silent': True}:
                continue
            events = answers.get('events', {}).get(request['execute'], [])
            for message in (events[:1] + [answer(request, answers)] +
                            events[1:]):
                stream.write(json.dumps(message) + '\r\n')
            stream.flush()
    except (BrokenPipeError, ConnectionResetError):
        pass


def main(name, answers):
    """Take the machine's place, and serve."""
    folder = pathlib.Path(os.environ['XDG_RUNTIME_DIR']) / 'sunder' / name
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    lock = open(folder / 'lock', 'w', encoding='ascii')
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    spec = {'machine': 'faultlab'}
    if 'FAKE_LAB' in os.environ:
        spec['lab'] = os.environ['FAKE_LAB']
    (folder / 'machine.json').write_text(json.dumps(
        {'pid': os.getpid(), 'spec': spec}))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / 'qmp.new'))
    listener.listen()
    (folder / 'qmp-user.sock').symlink_to('qmp.sock')
    (folder / 'qmp.new').rename(folder / 'qmp.sock')    # who sees it is served
    with open(f'{name}.heard', 'w', encoding='utf-8') as heard:
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection,
                      json.loads(pathlib.Path(answers).read_text()), heard)


if __name__ == '__main__':
    main(*sys.argv[1:])
