/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder stop: end a machine
 */
#include <stdio.h>

#include "lab.h"
#include "state.h"
#include "verbs.h"

static const char stop_text[] =
    "The guest is asked to switch itself off; if it does not within 20 s, the\n"
    "emulator is told to quit, and at last killed. --force begins there.\n"
    "The name of a lab stands for all its machines.\n";

static int stop_one(const char *name, bool force)
{
    g_autoptr(GError) error = NULL;
    int status = 0;
    g_autoptr(Machine) machine = verb_machine(name, &status);

    if (!machine) {
        return status;
    }
    if (!machine_stop(machine, force, &error)) {
        return verb_fail(error);
    }
    state_prune(name);
    return 0;
}

/* A machine, or all of a lab */
static int stop_named(const char *name, bool force)
{
    g_autoptr(Machine) machine = machine_open(name, NULL);
    g_auto(GStrv) members = machine ? NULL : lab_running(name);
    int worst = 0;

    if (!members || !*members) {
        return stop_one(name, force);
    }
    for (char **member = members; *member; member++) {
        int status = stop_one(*member, force);

        worst = MAX(worst, status);
    }
    return worst;
}

int verb_stop(int argc, char **argv)
{
    gboolean force = FALSE, all = FALSE;
    const GOptionEntry entries[] = {
        { "force", 'f', 0, G_OPTION_ARG_NONE, &force,
          "do not ask the guest", NULL },
        { "all", 'a', 0, G_OPTION_ARG_NONE, &all,
          "all that run", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "stop [OPTION...] NAME...",
                            stop_text, entries);
    g_auto(GStrv) running = NULL;
    int worst = 0;

    if (status >= 0) {
        return status;
    }
    if (all == (argc > 0)) {
        return verb_usage("stop", all ? "--all or NAME, not both"
                                      : "which NAME? \"sunder list\" shows "
                                        "them");
    }
    if (all) {
        running = machine_list_running(NULL);
    }
    for (char **name = all ? running : argv; name && *name; name++) {
        status = stop_named(*name, force);
        worst = MAX(worst, status);
    }
    return worst;
}
