/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-device sunder-fault,seed=N": the machine's fault seed.
 *
 * A device without a bus and without state, because that is what QEMU
 * lets a command line, a -readconfig file, -set and -global configure
 * without a change to its own code.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/fault/registry.h"

#define TYPE_SUNDER_FAULT "sunder-fault"
OBJECT_DECLARE_SIMPLE_TYPE(SunderFaultSeed, SUNDER_FAULT)

struct SunderFaultSeed {
    DeviceState parent_obj;
    uint64_t seed;
};

static void seed_realize(DeviceState *dev, Error **errp)
{
    bool ambiguous = false;

    object_resolve_path_type("", TYPE_SUNDER_FAULT, &ambiguous);
    if (ambiguous) {
        error_setg(errp, "a machine has one fault seed: give -device "
                   TYPE_SUNDER_FAULT " once");
        return;
    }
    fault_engine_set_seed(sunder_fault_engine(), SUNDER_FAULT(dev)->seed);
}

static const Property seed_properties[] = {
    DEFINE_PROP_UINT64("seed", SunderFaultSeed, seed, 0),
};

static void seed_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "Seed of the machine's fault rules";
    dc->realize = seed_realize;
    dc->hotpluggable = false;
    device_class_set_props(dc, seed_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo seed_types[] = {
    {
        .name = TYPE_SUNDER_FAULT,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(SunderFaultSeed),
        .class_init = seed_class_init,
    }
};

DEFINE_TYPES(seed_types)
