/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands of the network card with many ports
 */
#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"

static void no_nic(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "this machine has no sunder-nic; start it with "
              "-device sunder-nic");
}

SunderNicInfoList *qmp_query_sunder_nic(const char *id, Error **errp)
{
    no_nic(errp);
    return NULL;
}

void qmp_sunder_nic_set_policy(const char *aggregation, bool has_policy,
                               SunderNicPolicy policy, bool has_adaptive,
                               bool adaptive, Error **errp)
{
    no_nic(errp);
}
