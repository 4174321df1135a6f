/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with a stock guest and two of the agent's ports
 *
 * Without the command line, which is tested elsewhere. What goes wrong at the
 * start ends the test.
 */
#ifndef SUNDER_TESTS_MACHINE_H
#define SUNDER_TESTS_MACHINE_H

#include <gio/gio.h>

typedef struct Machine {
    GSubprocess *process;
    char *folder;
    char *agent_socket;          /* port 0 */
    char *other_socket;          /* port 7 */
} Machine;

/*
 * Start @emulator with the guest in the folder @guest and the programs of
 * @agent_cpio. The guest is not up yet when this returns.
 */
Machine *machine_start(const char *emulator, const char *guest,
                       const char *agent_cpio);

gboolean machine_has_ended(Machine *machine);

/* End the machine and remove its files. */
void machine_free(Machine *machine);

#endif /* SUNDER_TESTS_MACHINE_H */
