/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labs: machines that are started together, wired to each other
 *
 * Concepts
 *   lab    a description (description.h) that names machines. It runs under a
 *          name, its own unless another is given.
 *   role   what a machine is called within its lab. While it runs, machine
 *          ROLE of lab NAME is NAME-ROLE, and everything that is done to one
 *          machine is done to it by that name.
 *   wire   two machines of a lab that have a wire of the same name are the
 *          ends of that wire: datagram sockets, each in the state directory of
 *          the machine that reads from it. So a machine that ends, and comes
 *          back under its name, is wired again.
 */
#ifndef SUNDER_LAB_H
#define SUNDER_LAB_H

#include "description.h"
#include "spec.h"

/*
 * The machines (MachineSpec) that @spec stands for: those of a lab, in the
 * order of its file, each with the rest of @spec as its own; or, for a machine
 * that is no lab, @spec alone. They are not resolved. A lab whose wires do not
 * have two ends each is an error.
 */
GPtrArray *lab_specs(const MachineSpec *spec, GError **error);

/*
 * The name that @spec, a machine of a lab, gets when it runs as @name: if that
 * ends with its role, what stands before it is the lab's name from now on.
 */
void lab_rename(MachineSpec *spec, const char *name);

/*
 * The machine (by the name it runs under) at the other end of wire @id of
 * @spec; NULL: the wire leads nowhere, or @error.
 */
char *lab_peer(const MachineSpec *spec, const char *id, GError **error);

/* Names of the machines of lab @lab that run, sorted. */
char **lab_running(const char *lab);

#endif /* SUNDER_LAB_H */
