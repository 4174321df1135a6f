/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labs: machines that are started together
 */
#include <string.h>

#include "error.h"
#include "lab.h"
#include "machine.h"

static char *lab_machine_name(const char *lab, const char *role)
{
    return g_strdup_printf("%s-%s", lab, role);
}

static DescriptionMachine *lab_machine(const Description *lab, guint i)
{
    return g_ptr_array_index(lab->machines, i);
}

/* Descriptions of all machines of @lab, in its order */
static GPtrArray *lab_load(const Description *lab, GError **error)
{
    g_autoptr(GPtrArray) loaded = g_ptr_array_new_with_free_func(
        (GDestroyNotify)description_free);

    for (guint i = 0; i < lab->machines->len; i++) {
        Description *machine = description_load(lab_machine(lab, i)->machine,
                                                error);

        if (!machine) {
            g_prefix_error(error, "%s: machine %s: ", lab->path,
                           lab_machine(lab, i)->role);
            return NULL;
        }
        g_ptr_array_add(loaded, machine);
        if (machine->machines->len) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                        "%s: machine %s: %s is a lab itself", lab->path,
                        lab_machine(lab, i)->role, machine->name);
            return NULL;
        }
    }
    return g_steal_pointer(&loaded);
}

/* How many of @machines have a wire @id */
static unsigned lab_ends(GPtrArray *machines, const char *id)
{
    unsigned ends = 0;

    for (guint i = 0; i < machines->len; i++) {
        ends += description_has_wire(machines->pdata[i], id) ? 1 : 0;
    }
    return ends;
}

static bool lab_check_wires(const Description *lab, GPtrArray *machines,
                            GError **error)
{
    for (guint i = 0; i < machines->len; i++) {
        const Description *machine = machines->pdata[i];

        for (guint j = 0; j < machine->wires->len; j++) {
            DescriptionWire *wire = g_ptr_array_index(machine->wires, j);
            unsigned ends = lab_ends(machines, wire->id);

            if (ends != 2) {
                g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                            "%s: wire %s of machine %s: expected in two "
                            "machines of the lab, is in %u", lab->path,
                            wire->id, lab_machine(lab, i)->role, ends);
                return false;
            }
        }
    }
    return true;
}

static MachineSpec *lab_spec(const MachineSpec *spec, const Description *lab,
                             const DescriptionMachine *machine)
{
    MachineSpec *own = machine_spec_copy(spec);

    g_free(own->machine);
    own->machine = g_strdup(machine->machine);
    own->lab = g_strdup(spec->name ? spec->name : lab->name);
    own->role = g_strdup(machine->role);
    own->lab_description = g_strdup(lab->path);
    g_free(own->name);
    own->name = lab_machine_name(own->lab, own->role);
    return own;
}

GPtrArray *lab_specs(const MachineSpec *spec, GError **error)
{
    g_autoptr(Description) lab = description_load(spec->machine, error);
    g_autoptr(GPtrArray) machines = NULL;
    g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func(
        (GDestroyNotify)machine_spec_free);

    if (!lab) {
        return NULL;
    }
    if (!lab->machines->len) {
        g_ptr_array_add(specs, machine_spec_copy(spec));
        return g_steal_pointer(&specs);
    }
    machines = lab_load(lab, error);
    if (!machines || !lab_check_wires(lab, machines, error)) {
        return NULL;
    }
    for (guint i = 0; i < lab->machines->len; i++) {
        g_ptr_array_add(specs, lab_spec(spec, lab, lab_machine(lab, i)));
    }
    return g_steal_pointer(&specs);
}

void lab_rename(MachineSpec *spec, const char *name)
{
    g_autofree char *tail = spec->role ? g_strconcat("-", spec->role, NULL)
                                       : NULL;

    g_free(spec->name);
    spec->name = g_strdup(name);
    if (tail && g_str_has_suffix(name, tail)) {
        g_free(spec->lab);
        spec->lab = g_strndup(name, strlen(name) - strlen(tail));
    }
}

char *lab_peer(const MachineSpec *spec, const char *id, GError **error)
{
    g_autoptr(Description) lab = NULL;
    g_autoptr(GPtrArray) machines = NULL;

    if (!spec->lab) {
        return NULL;
    }
    lab = description_load(spec->lab_description, error);
    machines = lab ? lab_load(lab, error) : NULL;
    for (guint i = 0; machines && i < machines->len; i++) {
        const char *role = lab_machine(lab, i)->role;

        if (strcmp(role, spec->role) &&
            description_has_wire(machines->pdata[i], id)) {
            return lab_machine_name(spec->lab, role);
        }
    }
    return NULL;
}

char **lab_running(const char *lab)
{
    g_auto(GStrv) names = machine_list_running(NULL);
    GPtrArray *found = g_ptr_array_new();

    for (char **name = names; name && *name; name++) {
        g_autoptr(Machine) machine = machine_open(*name, NULL);

        if (machine && !g_strcmp0(machine_spec(machine)->lab, lab)) {
            g_ptr_array_add(found, g_strdup(*name));
        }
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}
