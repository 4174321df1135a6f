/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's tree: QEMU's XenStore, hw/i386/kvm/xenstore_impl.c
 *
 * QEMU's implementation serves one guest.  What a store for many needs besides
 * is done around it: paths, quotas, watches and transactions by the engine
 * (target-models/store), the rest in tree.c.
 */
#ifndef SUNDER_STORE_TREE_QEMU_H
#define SUNDER_STORE_TREE_QEMU_H

#include "target-models/store/tree.h"

/* A tree with nothing in it but its root, n0; it is never freed. */
void *tree_new(void);

extern const StoreTreeOps tree_ops;

#endif /* SUNDER_STORE_TREE_QEMU_H */
