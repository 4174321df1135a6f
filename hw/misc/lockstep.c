/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-device sunder-lockstep": an I/O port at which a guest stops its machine.
 *
 * A write of any value stops the machine as QMP's "stop" does, but on the
 * instruction: the write returns only when the machine is stopped.  QEMU's own
 * ways for a guest to stop itself (a watchdog, pvpanic) ask another thread
 * to do it; until it does, under icount, the guest goes on or its clock jumps
 * to the next timer, and no two runs stop at the same time.
 *
 * The device has no state.
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/isa/isa.h"
#include "hw/qdev-properties.h"
#include "qemu/main-loop.h"
#include "system/runstate.h"

#define TYPE_SUNDER_LOCKSTEP "sunder-lockstep"
OBJECT_DECLARE_SIMPLE_TYPE(SunderLockstep, SUNDER_LOCKSTEP)

/* Between looks whether the main thread has begun to stop the machine */
#define LOOK_US 50

/* Looks before giving up: the main thread is at most seconds away. */
#define LOOKS_MAX (10 * G_USEC_PER_SEC / LOOK_US)

struct SunderLockstep {
    ISADevice parent_obj;
    MemoryRegion port;
    uint16_t iobase;
};

static uint64_t lockstep_read(void *opaque, hwaddr address, unsigned size)
{
    return 0xff;
}

static void lockstep_write(void *opaque, hwaddr address, uint64_t data,
                           unsigned size)
{
    CPUState *cpu = current_cpu;

    qemu_system_vmstop_request_prepare();
    qemu_system_vmstop_request(RUN_STATE_PAUSED);
    /*
     * A virtual CPU inside an access is not idle, so no clock jumps; and it
     * executes nothing.  pause_all_vcpus() (system/cpus.c) sets cpu->stop
     * after the run state, then waits for us.
     */
    for (int i = 0; cpu && i < LOOKS_MAX && !qatomic_read(&cpu->stop); i++) {
        bql_unlock();
        g_usleep(LOOK_US);
        bql_lock();
    }
}

static const MemoryRegionOps lockstep_ops = {
    .read = lockstep_read,
    .write = lockstep_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

static void lockstep_realize(DeviceState *dev, Error **errp)
{
    SunderLockstep *s = SUNDER_LOCKSTEP(dev);

    memory_region_init_io(&s->port, OBJECT(dev), &lockstep_ops, s,
                          TYPE_SUNDER_LOCKSTEP, 1);
    isa_register_ioport(ISA_DEVICE(dev), &s->port, s->iobase);
}

static const Property lockstep_properties[] = {
    DEFINE_PROP_UINT16("iobase", SunderLockstep, iobase, 0x520),
};

static void lockstep_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "I/O port at which a guest stops its machine";
    dc->realize = lockstep_realize;
    device_class_set_props(dc, lockstep_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo lockstep_types[] = {
    {
        .name = TYPE_SUNDER_LOCKSTEP,
        .parent = TYPE_ISA_DEVICE,
        .instance_size = sizeof(SunderLockstep),
        .class_init = lockstep_class_init,
    }
};

DEFINE_TYPES(lockstep_types)
