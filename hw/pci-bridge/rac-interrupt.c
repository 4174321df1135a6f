/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-rac-port: interrupts of the functions below, lost, late or more. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "qemu/timer.h"
#include "system/runstate.h"

/* Most that one rule may add to an interrupt. */
#define MAX_EXTRA 1000

/* Interrupts held back at a time; more are delivered at once. */
#define MAX_DELAYED 65536

/* A message or a level change that is on its way. */
struct RacDelayedMsi {
    SunderRacPort *port;
    RacFunction *function;
    bool is_message;
    MSIMessage message;
    int pin;
    QEMUTimer *timer;
    QLIST_ENTRY(RacDelayedMsi) next;
};

static void set_parent_pin(SunderRacPort *port, int pin, int level);

/* On its way the message is a memory write, but no rule of dma's sees it. */
static void send_message(RacFunction *f, MSIMessage message)
{
    f->sending_message = true;
    f->msi_trigger(f->device, message);
    f->sending_message = false;
}

static void delayed_free(RacDelayedMsi *delayed)
{
    QLIST_REMOVE(delayed, next);
    delayed->port->n_delayed_msis--;
    timer_free(delayed->timer);
    g_free(delayed);
}

static void delayed_deliver(void *opaque)
{
    RacDelayedMsi *delayed = opaque;
    SunderRacPort *port = delayed->port;
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(port));

    if (!port->isolated && delayed->is_message) {
        send_message(delayed->function, delayed->message);
    } else if (!delayed->is_message && bus->irq_count[delayed->pin]) {
        set_parent_pin(port, delayed->pin, 1);
    }
    delayed_free(delayed);
}

static void deliver_later(RacFunction *f, RacDelayedMsi delayed,
                          uint64_t ns)
{
    RacDelayedMsi *d = g_new(RacDelayedMsi, 1);

    *d = delayed;
    d->port = f->port;
    d->function = f;
    d->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, delayed_deliver, d);
    QLIST_INSERT_HEAD(&f->port->delayed_msis, d, next);
    if (f->port->n_delayed_msis++ >= MAX_DELAYED || !runstate_is_running()) {
        delayed_deliver(d);
        return;
    }
    timer_mod(d->timer, sunder_fault_now_ns() + MIN(ns, INT64_MAX / 2));
}

void rac_port_flush_msis(SunderRacPort *port)
{
    while (!QLIST_EMPTY(&port->delayed_msis)) {
        delayed_deliver(QLIST_FIRST(&port->delayed_msis));
    }
}

void rac_port_forget_msis(SunderRacPort *port)
{
    while (!QLIST_EMPTY(&port->delayed_msis)) {
        delayed_free(QLIST_FIRST(&port->delayed_msis));
    }
}

static unsigned extra_interrupts(const FaultFiring *firings, unsigned n)
{
    uint64_t extra = 0;

    for (unsigned i = 0; i < n; i++) {
        if (firings[i].outcome->code == RAC_OUTCOME_EXTRA) {
            extra += firings[i].has_value
                     ? MIN(firings[i].value, MAX_EXTRA) : 1;
        }
    }
    return MIN(extra, MAX_EXTRA);
}

static void msi_trigger(PCIDevice *d, MSIMessage message)
{
    RacFunction *f = rac_function_of(d);
    FaultFiring firings[FAULT_MAX_FIRINGS];
    const FaultFiring *answer;
    unsigned n;

    if (f->port->isolated) {
        return;
    }
    if (!fault_point_armed(f->msi)) {
        send_message(f, message);
        return;
    }
    n = sunder_fault_check(f->msi, FAULT_OP_ANY, 0, 0, firings);
    answer = rac_find_answer(firings, n);
    if (!answer) {
        for (unsigned i = extra_interrupts(firings, n) + 1; i; i--) {
            send_message(f, message);
        }
    } else if (answer->outcome->code == RAC_OUTCOME_DELAYED) {
        RacDelayedMsi delayed = { .is_message = true, .message = message };

        deliver_later(f, delayed, answer->duration_ns);
    }
}

/*
 * Does for the port's parent bus what a change of its own pin would do,
 * but for any of the four pins: a bridge passes them all on.
 */
static void set_parent_pin(SunderRacPort *port, int pin, int level)
{
    PCIDevice *d = PCI_DEVICE(port);
    int change = level - port->intx_level[pin];
    PCIBus *bus;

    if (!change) {
        return;
    }
    port->intx_level[pin] = level;
    for (;;) {
        bus = pci_get_bus(d);
        pin = bus->map_irq(d, pin);
        if (bus->set_irq) {
            break;
        }
        d = bus->parent_dev;
    }
    bus->irq_count[pin] += change;
    bus->set_irq(bus->irq_opaque, pin, bus->irq_count[pin] != 0);
}

static void pulse_parent_pin(SunderRacPort *port, int pin)
{
    int level = port->intx_level[pin];

    set_parent_pin(port, pin, !level);
    set_parent_pin(port, pin, level);
}

/* PCI core asks for the pin right before it sets it: note who it is for. */
static int map_intx(PCIDevice *d, int pin)
{
    RacFunction *f = rac_function_of(d);

    if (f) {
        f->port->intx_source = f;
    }
    return pci_swizzle_map_irq_fn(d, pin);
}

static void raise_intx(SunderRacPort *port, RacFunction *f, int pin)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    unsigned n = sunder_fault_check(f->intx, FAULT_OP_ANY, 0, 0, firings);
    const FaultFiring *answer = rac_find_answer(firings, n);

    if (!answer) {
        set_parent_pin(port, pin, 1);
        for (unsigned i = extra_interrupts(firings, n); i; i--) {
            pulse_parent_pin(port, pin);
        }
    } else if (answer->outcome->code == RAC_OUTCOME_DELAYED) {
        RacDelayedMsi delayed = { .pin = pin };

        deliver_later(f, delayed, answer->duration_ns);
    }
}

static void set_intx(void *opaque, int pin, int level)
{
    SunderRacPort *port = opaque;
    RacFunction *f = port->intx_source;

    if (level && port->isolated) {
        return;
    }
    if (level && f && !port->intx_level[pin] && fault_point_armed(f->intx)) {
        raise_intx(port, f, pin);
    } else {
        set_parent_pin(port, pin, !!level);
    }
}

void rac_port_init_intx(SunderRacPort *port)
{
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(port));

    pci_bus_irqs(bus, set_intx, port, PCI_NUM_PINS);
    pci_bus_map_irqs(bus, map_intx);
    QLIST_INIT(&port->delayed_msis);
}

void rac_port_exit_intx(SunderRacPort *port)
{
    pci_bus_irqs_cleanup(pci_bridge_get_sec_bus(PCI_BRIDGE(port)));
}

static void spurious_msi(void *opaque, const FaultFiring *firing)
{
    RacFunction *f = opaque;

    if (f->port->isolated) {
        return;
    }
    if (msix_enabled(f->device) &&
        firing->value < msix_nr_vectors_allocated(f->device)) {
        send_message(f, msix_get_message(f->device, firing->value));
    } else if (msi_enabled(f->device) &&
               firing->value < msi_nr_vectors_allocated(f->device)) {
        send_message(f, msi_get_message(f->device, firing->value));
    }
}

static void spurious_intx(void *opaque, const FaultFiring *firing)
{
    RacFunction *f = opaque;
    int pin = pci_get_byte(f->device->config + PCI_INTERRUPT_PIN);

    if (pin >= 1 && pin <= PCI_NUM_PINS && !f->port->isolated) {
        pulse_parent_pin(f->port, pci_swizzle_map_irq_fn(f->device,
                                                         pin - 1));
    }
}

static FaultPoint *add_point(RacFunction *f, const char *what,
                             SunderFaultAction *action, Error **errp)
{
    g_autofree char *path = g_strdup_printf("%s/%s", f->path, what);
    SunderFaultPointInfo info = {
        .name = path,
        .outcomes = rac_interrupt_outcomes,
        .action = action,
        .opaque = f,
    };

    return sunder_fault_point_add(&info, errp);
}

bool rac_function_add_interrupts(RacFunction *f, Error **errp)
{
    f->msi = add_point(f, "msi", spurious_msi, errp);
    if (!f->msi) {
        return false;
    }
    f->msi_trigger = f->device->msi_trigger;
    f->device->msi_trigger = msi_trigger;
    f->intx = add_point(f, "intx", spurious_intx, errp);
    return f->intx != NULL;
}

static void forget_delayed(RacFunction *f)
{
    RacDelayedMsi *delayed, *next;

    QLIST_FOREACH_SAFE(delayed, &f->port->delayed_msis, next, next) {
        if (delayed->function == f) {
            delayed_free(delayed);
        }
    }
}

void rac_function_remove_interrupts(RacFunction *f)
{
    forget_delayed(f);
    if (f->intx) {
        sunder_fault_point_remove(f->intx);
    }
    if (f->msi) {
        sunder_fault_point_remove(f->msi);
        if (f->device->msi_trigger) {
            f->device->msi_trigger = f->msi_trigger;
        }
    }
}
