/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands of the IOMMU
 */
#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"

static void no_iommu(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "this machine has no sunder-iommu; start it with "
              "-device sunder-iommu");
}

SunderIommuInfo *qmp_query_sunder_iommu(Error **errp)
{
    no_iommu(errp);
    return NULL;
}

void qmp_sunder_iommu_set_mode(SunderIommuMode mode, bool has_bounce,
                               bool bounce, Error **errp)
{
    no_iommu(errp);
}
