/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands of the balloon
 */
#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"

static void no_balloon(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "this machine has no sunder-balloon; start it with "
              "-device sunder-balloon");
}

SunderBalloonInfo *qmp_query_sunder_balloon(Error **errp)
{
    no_balloon(errp);
    return NULL;
}

SunderBalloonMappingList *qmp_query_sunder_balloon_map(bool has_start,
                                                       uint64_t start,
                                                       bool has_limit,
                                                       uint32_t limit,
                                                       Error **errp)
{
    no_balloon(errp);
    return NULL;
}

SunderSweep *qmp_sunder_balloon_sweep(bool has_mode, SunderSweepMode mode,
                                      bool has_limit, uint64_t limit,
                                      Error **errp)
{
    no_balloon(errp);
    return NULL;
}
