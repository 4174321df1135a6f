/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine descriptions: machines/NAME.cfg
 *
 * A file in the form of QEMU's -readconfig, which reads it as it is. Sunder
 * itself looks at the comments alone:
 *
 *   # What the machine is for.        the first comment line
 *   # sunder: disk NODE SIZE [direct]  directives, anywhere
 *   # sunder: wire ID [burst]
 *   # sunder: machine ROLE MACHINE
 *
 * A disk directive makes an empty, sparse disk of SIZE (bytes, or with K, M,
 * G, T behind) for the machine's life and gives it to QEMU as the block node
 * NODE, which a [device] section names with drive = "NODE". With "direct" QEMU
 * reads and writes it past the host's page cache, where the file system can:
 * then the guest's own memory is what the host's block layer works on.
 *
 * A wire directive gives QEMU one end of a wire: -netdev dgram,id=ID, or with
 * "burst" -object sunder-nic-dgram,id=ID for ports of the network card of that
 * kind. Its other end is the wire of the same name in another machine of the
 * lab (lab.h); a machine that is in none has wires that lead nowhere.
 *
 * A description with machine directives is a lab: it has no hardware of its
 * own, and stands for these machines together.
 */
#ifndef SUNDER_DESCRIPTION_H
#define SUNDER_DESCRIPTION_H

#include <glib.h>

/* A disk may be this large: what a signed file offset holds, and sane. */
#define DESCRIPTION_DISK_MAX (G_GUINT64_CONSTANT(64) << 40)

typedef struct DescriptionDisk {
    char *node;
    guint64 size;       /* bytes */
    gboolean direct;    /* past the host's page cache, where that can be */
} DescriptionDisk;

/* Longest ID of a wire: a socket's path has room for so much. */
#define DESCRIPTION_WIRE_MAX 8

typedef struct DescriptionWire {
    char *id;
    gboolean burst;     /* an object of ours, not a netdev */
} DescriptionWire;

/* Longest role of a machine in a lab */
#define DESCRIPTION_ROLE_MAX 16

/* A machine of a lab */
typedef struct DescriptionMachine {
    char *role;
    char *machine;      /* for description_load() */
} DescriptionMachine;

typedef struct Description {
    char *path;         /* absolute */
    char *name;         /* the file's, without .cfg */
    char *purpose;      /* the first comment line; "" if there is none */
    char *text;         /* the whole file */
    GPtrArray *disks;   /* DescriptionDisk */
    GPtrArray *wires;   /* DescriptionWire */
    GPtrArray *machines; /* DescriptionMachine; empty: this is no lab */
} Description;

void description_free(Description *description);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Description, description_free)

/*
 * Load @machine: a name looked up in the folder of machines, or a path (which
 * holds a '/' or ends in .cfg). Unknown: an error that lists those there are.
 */
Description *description_load(const char *machine, GError **error);

/* The same from text; @path is kept for messages. */
Description *description_parse(const char *path, const char *text,
                               GError **error);

/* Whether it has a wire @id. */
gboolean description_has_wire(const Description *description, const char *id);

/* "512M" and the like to bytes; no sign, no fraction. */
gboolean description_parse_size(const char *text, guint64 *bytes,
                                GError **error);

/* Names of the machines in the folder, sorted. */
char **description_names(void);

#endif /* SUNDER_DESCRIPTION_H */
