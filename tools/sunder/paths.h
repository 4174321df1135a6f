/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the parts of Sunder lie
 *
 * In the build tree they are found relative to it; once installed, relative to
 * the program itself, so that a moved installation still works.
 */
#ifndef SUNDER_PATHS_H
#define SUNDER_PATHS_H

/* The emulator: $SUNDER_QEMU, or that of our build or installation. */
char *paths_emulator(void);

/* Folder of machine descriptions: $SUNDER_MACHINES, or ours. */
char *paths_machines(void);

/* The cpio archive with the guest's agent: $SUNDER_AGENT, or ours. */
char *paths_agent(void);

/* The daemon that holds the store of shares: $SUNDER_STORE, or ours. */
char *paths_store(void);

/* bash's completion for `sunder`. */
char *paths_completion(void);

/* $XDG_CACHE_HOME/sunder/@name */
char *paths_cache(const char *name);

#endif /* SUNDER_PATHS_H */
