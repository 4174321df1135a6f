/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario-boot.h"
#include "scenario-events.h"
#include "scenario-guests.h"

static void guest_free(void *opaque)
{
    ScenarioGuest *guest = opaque;

    g_clear_pointer(&guest->machine, machine_free);
    event_log_free(guest->events);
    g_string_free(guest->console_before, true);
    g_free(guest->role);
    g_free(guest);
}

static bool guest_add(ScenarioRun *run, const char *role, GError **error)
{
    ScenarioGuest *guest = g_new0(ScenarioGuest, 1);
    g_autofree char *file = role ? g_strdup_printf("%s-faults.log", role)
                                 : g_strdup("faults.log");
    g_autofree char *path = g_build_filename(run->directory, file, NULL);

    guest->role = g_strdup(role);
    guest->console_before = g_string_new(NULL);
    g_ptr_array_add(run->guests, guest);
    guest->events = event_log_new(path, error);
    return guest->events != NULL;
}

bool scenario_guests_new(ScenarioRun *run, GError **error)
{
    g_autoptr(GPtrArray) specs = scenario_specs(
        run->scenario, run->options->kernel, NULL, NULL);
    bool good = true;

    run->guests = g_ptr_array_new_with_free_func(guest_free);
    for (guint i = 0; good && specs && i < specs->len; i++) {
        const MachineSpec *one = specs->pdata[i];

        good = guest_add(run, one->role, error);
    }
    if (!specs) {
        good = guest_add(run, NULL, error);
    }
    run->guest = run->guests->pdata[0];
    return good;
}

void scenario_guests_end(ScenarioRun *run)
{
    for (guint i = 0; run->guests && i < run->guests->len; i++) {
        ScenarioGuest *guest = run->guests->pdata[i];

        g_clear_pointer(&guest->machine, machine_free);
    }
}

void scenario_guests_free(ScenarioRun *run)
{
    g_clear_pointer(&run->guests, g_ptr_array_unref);
    run->guest = NULL;
}

void scenario_guests_choose(ScenarioRun *run, const char *role)
{
    for (guint i = 0; i < run->guests->len; i++) {
        ScenarioGuest *guest = run->guests->pdata[i];

        if (!role || !g_strcmp0(role, guest->role)) {
            run->guest = guest;
            return;
        }
    }
    g_assert_not_reached();     /* scenario_specs() knows all roles */
}
