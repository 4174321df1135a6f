/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of this host: for whom this thread acts
 *
 * Ids of the file system and capabilities belong to a thread in Linux; the C
 * library would change them for all threads, so system calls are made here.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host-internal.h"

typedef struct Capabilities {
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
} Capabilities;

static _Thread_local bool dropped_setid, acts;

static bool caps_get(Capabilities *caps)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };

    return syscall(SYS_capget, &header, caps->data) == 0;
}

static bool has(const Capabilities *caps, unsigned cap)
{
    return caps->data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

/* Makes @cap effective, if it is permitted, or not. */
static void set_effective(unsigned cap, bool on)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    Capabilities caps;
    struct __user_cap_data_struct *word;

    if (!caps_get(&caps)) {
        return;
    }
    word = &caps.data[CAP_TO_INDEX(cap)];
    if (on == has(&caps, cap) ||
        (on && !(word->permitted & CAP_TO_MASK(cap)))) {
        return;
    }
    word->effective ^= CAP_TO_MASK(cap);
    syscall(SYS_capset, &header, caps.data);
}

void host_keep_setid(bool keep)
{
    if (keep == dropped_setid) {
        set_effective(CAP_FSETID, keep);
        dropped_setid = !keep;
    }
}

static bool may_act(void)
{
    Capabilities caps;

    return caps_get(&caps) && has(&caps, CAP_SETUID) &&
           has(&caps, CAP_SETGID);
}

int host_act_for(const ShareCaller *caller)
{
    gid_t group = caller->group;

    host_keep_setid(false);
    if ((caller->uid == geteuid() && caller->gid == getegid() &&
         !caller->has_group) || !may_act()) {
        return 0;
    }
    acts = true;
    if (syscall(SYS_setgroups, caller->has_group ? 1 : 0, &group) < 0) {
        host_act_for_none();
        return -EPERM;
    }
    setfsgid(caller->gid);
    setfsuid(caller->uid);
    /* these calls tell nothing; one that fails tells what is */
    if ((uid_t)setfsuid(-1) != caller->uid ||
        (gid_t)setfsgid(-1) != caller->gid) {
        host_act_for_none();
        return -EPERM;
    }
    if (caller->privileged && caller->uid != 0) {
        set_effective(CAP_DAC_OVERRIDE, true);
    }
    return 0;
}

void host_act_for_none(void)
{
    if (!acts) {
        return;
    }
    acts = false;
    setfsuid(geteuid());
    setfsgid(getegid());
    syscall(SYS_setgroups, 0, NULL);
    /* becoming root again brought it back */
    set_effective(CAP_FSETID, false);
    dropped_setid = true;
}
