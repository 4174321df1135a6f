/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: when nothing may be taken
 *
 * A sweep takes pages that are in use, as long as they hold nothing.
 * Whoever reaches guest memory by another way than this process's page
 * tables would go on with a page that is no longer the guest's, or write
 * unseen.
 */
#include "qemu/osdep.h"

#include "exec/memory.h"
#include "hw/mem/sweeper-internal.h"
#include "migration/colo.h"
#include "migration/misc.h"
#include "net/net.h"
#include "qapi/error.h"
#include "system/replay.h"
#include "system/runstate.h"
#include "system/system.h"

/* Devices that reach guest memory by a way of their own. */
typedef struct Writer {
    const char *type;           /* QOM types begin so */
    const char *property;       /* and have this one set; may be NULL */
    bool stands_still;          /* while the machine is paused */
    bool only_paused;           /* harmless unless the guard is a pause */
    const char *why;
} Writer;

static const Writer writers[] = {
    { "vhost-user", NULL, true, false,
      "another process writes to guest memory unseen" },
    { "vhost-scsi", NULL, true, false,
      "the kernel pins guest pages while it does I/O" },
    { "x-pci-proxy-dev", NULL, false, false,
      "another process writes to guest memory unseen" },
    { "virtio-gpu", "blob", false, false,
      "the host's graphics card may use guest pages" },
    { "virtio-vga", "blob", false, false,
      "the host's graphics card may use guest pages" },
    { "virtio-9p", NULL, false, true,
      "its threads write to guest memory in a paused machine; use "
      "sweep-guard=write-protect" },
};

/* Devices that pin guest memory and so have disabled discarding. */
static const char *const pinners[] = { "vfio-", "vhost-vdpa" };

typedef struct Walk {
    bool pause;
    Object *object;
    const char *why;
} Walk;

static int find_writer(Object *child, void *opaque)
{
    Walk *walk = opaque;
    const char *type = object_get_typename(child);

    for (unsigned i = 0; i < G_N_ELEMENTS(writers); i++) {
        const Writer *w = &writers[i];

        if (!g_str_has_prefix(type, w->type) ||
            !object_dynamic_cast(child, "device") ||
            (walk->pause ? w->stands_still : w->only_paused) ||
            (w->property &&
             !object_property_get_bool(child, w->property, NULL))) {
            continue;
        }
        walk->object = child;
        walk->why = w->why;
        return 1;
    }
    return 0;
}

static int find_pinner(Object *child, void *opaque)
{
    Walk *walk = opaque;

    for (unsigned i = 0; i < G_N_ELEMENTS(pinners); i++) {
        if (g_str_has_prefix(object_get_typename(child), pinners[i]) &&
            object_dynamic_cast(child, "device")) {
            walk->object = child;
            return 1;
        }
    }
    return 0;
}

static bool has_writer(bool pause, Error **errp)
{
    Walk walk = { .pause = pause };
    g_autofree char *path = NULL;

    if (!object_child_foreach_recursive(object_get_root(), find_writer,
                                        &walk)) {
        return false;
    }
    path = object_get_canonical_path(walk.object);
    error_setg(errp, "device %s (%s): %s%s", path,
               object_get_typename(walk.object), walk.why,
               !pause && g_str_has_prefix(object_get_typename(walk.object),
                                          "vhost-") ?
               "; sweep-guard=pause allows it" : "");
    return true;
}

/* A network backend is no object of the machine's tree. */
static bool has_vhost_user_net(bool pause, Error **errp)
{
    NetClientState *client;

    QTAILQ_FOREACH(client, &net_clients, next) {
        if (!pause && client->info->type == NET_CLIENT_DRIVER_VHOST_USER) {
            error_setg(errp, "netdev %s is vhost-user: another process "
                       "writes to guest memory unseen; sweep-guard=pause "
                       "allows it", client->name);
            return true;
        }
    }
    return false;
}

static bool discard_disabled(Error **errp)
{
    Walk walk = { 0 };
    g_autofree char *path = NULL;

    if (!ram_block_discard_is_disabled()) {
        return false;
    }
    if (object_child_foreach_recursive(object_get_root(), find_pinner,
                                       &walk)) {
        path = object_get_canonical_path(walk.object);
        error_setg(errp, "device %s (%s) has pinned guest memory (vfio): "
                   "what is given back would stay in use by it; remove it "
                   "first", path, object_get_typename(walk.object));
    } else {
        error_setg(errp, "discarding of guest memory is disabled: a "
                   "device, an accelerator or a migration (vfio, "
                   "vhost-vdpa, RDMA, SEV, ...) has pinned it");
    }
    return true;
}

static bool migrates(Error **errp)
{
    const char *what = NULL;

    if (runstate_check(RUN_STATE_INMIGRATE)) {
        what = "the machine waits for its memory to arrive";
    } else if (migration_in_incoming_postcopy() ||
               migration_incoming_postcopy_advised()) {
        what = "postcopy migration brings memory page by page";
    } else if (migration_in_bg_snapshot()) {
        what = "a background snapshot is being taken";
    } else if (migration_incoming_colo_enabled() ||
               migration_in_colo_state()) {
        what = "COLO compares memory";
    }
    if (what) {
        error_setg(errp, "%s: try again when that has ended", what);
    }
    return what != NULL;
}

bool sweep_inhibited(bool pause, bool count, Error **errp)
{
    if (migrates(errp)) {
        return true;
    }
    if (pause && !count && migration_is_running()) {
        /* its end would take our pause for the user's */
        error_setg(errp, "a migration is under way, and a sweep would have "
                   "to pause the machine: try again when that has ended");
        return true;
    }
    if (count) {
        return false;
    }
    if (discard_disabled(errp)) {
        return true;
    }
    if (should_mlock(mlock_state)) {
        error_setg(errp, "guest memory is locked: start the machine "
                   "without -overcommit mem-lock=on");
        return true;
    }
    if (replay_mode != REPLAY_MODE_NONE) {
        error_setg(errp, "the machine is recorded or replayed: block I/O "
                   "cannot be drained at any time");
        return true;
    }
    return has_writer(pause, errp) || has_vhost_user_net(pause, errp);
}
