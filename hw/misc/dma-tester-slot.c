/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of the DMA tester: one request each, at once, delayed, or held.
 */
#include "qemu/osdep.h"
#include "hw/misc/dma-tester-device.h"
#include "hw/pci/pci.h"

/* Farther than any test looks, and far from overflow */
#define DELAY_MAX_NS    (INT64_MAX / 4)

static void set_state(SdtSlot *slot, uint32_t bit, bool on)
{
    uint32_t *state = &slot->regs[SDT_STATE / 4];

    *state = on ? *state | bit : *state & ~bit;
}

static bool in_state(const SdtSlot *slot, uint32_t bit)
{
    return slot->regs[SDT_STATE / 4] & bit;
}

static uint8_t *buffer_at(SdtSlot *slot)
{
    return (uint8_t *)memory_region_get_ram_ptr(&slot->tester->buffer) +
           slot->regs[SDT_OFFSET / 4];
}

static bool range_valid(const SdtSlot *slot)
{
    uint32_t length = slot->regs[SDT_LENGTH / 4];
    uint32_t offset = slot->regs[SDT_OFFSET / 4];

    return length > 0 && length <= SDT_BUFFER_SIZE &&
           offset <= SDT_BUFFER_SIZE - length;
}

static uint8_t pattern_byte(const SdtSlot *slot, uint32_t i)
{
    return sdt_get64(slot->regs, SDT_PATTERN) >> (i % 8 * 8);
}

/* What is to be sent gets the pattern, if that was asked for. */
static void prepare_buffer(SdtSlot *slot)
{
    uint32_t length = slot->regs[SDT_LENGTH / 4];
    uint8_t *data = buffer_at(slot);

    if (slot->command & SDT_CMD_PATTERN) {
        for (uint32_t i = 0; i < length; i++) {
            data[i] = pattern_byte(slot, i);
        }
        memory_region_set_dirty(&slot->tester->buffer,
                                slot->regs[SDT_OFFSET / 4], length);
    }
}

/* What came is in the buffer.  Returns: SDT_RESULT_ */
static uint32_t accept_buffer(SdtSlot *slot)
{
    uint32_t length = slot->regs[SDT_LENGTH / 4];
    uint8_t *data = buffer_at(slot);

    memory_region_set_dirty(&slot->tester->buffer,
                            slot->regs[SDT_OFFSET / 4], length);
    slot->regs[SDT_DONE / 4] = length;
    for (uint32_t i = 0; slot->command & SDT_CMD_PATTERN && i < length; i++) {
        if (data[i] != pattern_byte(slot, i)) {
            slot->regs[SDT_DONE / 4] = i;
            return SDT_RESULT_MISMATCH;
        }
    }
    return SDT_RESULT_OK;
}

/*
 * Not into the buffer: the address may lead there, and QEMU copies what it
 * reads with memcpy().
 */
static uint32_t do_read(SdtSlot *slot)
{
    uint64_t iova = sdt_get64(slot->regs, SDT_IOVA);
    uint32_t length = slot->regs[SDT_LENGTH / 4];
    g_autofree uint8_t *data = g_malloc(length);

    if (pci_dma_read(PCI_DEVICE(slot->tester), iova, data, length)) {
        return SDT_RESULT_REFUSED;
    }
    memcpy(buffer_at(slot), data, length);
    return accept_buffer(slot);
}

static uint32_t do_write(SdtSlot *slot)
{
    uint64_t iova = sdt_get64(slot->regs, SDT_IOVA);

    prepare_buffer(slot);
    if (pci_dma_write(PCI_DEVICE(slot->tester), iova, buffer_at(slot),
                      slot->regs[SDT_LENGTH / 4])) {
        return SDT_RESULT_REFUSED;
    }
    slot->regs[SDT_DONE / 4] = slot->regs[SDT_LENGTH / 4];
    return SDT_RESULT_OK;
}

static DMADirection held_direction(const SdtSlot *slot)
{
    return slot->held_write ? DMA_DIRECTION_FROM_DEVICE
                            : DMA_DIRECTION_TO_DEVICE;
}

/* Takes the pointer.  Returns: the bytes that it reaches, 0 for none. */
static uint32_t take(SdtSlot *slot, uint32_t length)
{
    dma_addr_t size = length;

    slot->touched = 0;
    slot->held = pci_dma_map(PCI_DEVICE(slot->tester), slot->held_iova, &size,
                             held_direction(slot));
    return slot->held ? size : 0;
}

/*
 * Keeps the device from hearing itself while its DMA goes to its own registers,
 * as QEMU's memory core does while a guest writes to them.  Returns: what
 * unguard() wants.
 */
static bool guard(SdtSlot *slot)
{
    MemReentrancyGuard *guard = &DEVICE(slot->tester)->mem_reentrancy_guard;
    bool engaged = guard->engaged_in_io;

    guard->engaged_in_io = true;
    return engaged;
}

static void unguard(SdtSlot *slot, bool engaged)
{
    DEVICE(slot->tester)->mem_reentrancy_guard.engaged_in_io = engaged;
}

void sdt_slot_give_back(SdtSlot *slot)
{
    bool engaged = guard(slot);
    void *held = g_steal_pointer(&slot->held);

    if (held) {
        /* of what was read it matters to nobody how much */
        pci_dma_unmap(PCI_DEVICE(slot->tester), held, slot->held_length,
                      held_direction(slot), slot->touched);
    }
    unguard(slot, engaged);
}

static void let_go(SdtSlot *slot)
{
    sdt_slot_give_back(slot);
    set_state(slot, SDT_STATE_HELD, false);
    slot->held_length = 0;
    slot->regs[SDT_HELD_LENGTH / 4] = 0;
}

static uint32_t do_map(SdtSlot *slot, bool write)
{
    slot->held_iova = sdt_get64(slot->regs, SDT_IOVA);
    slot->held_write = write;
    slot->held_length = take(slot, slot->regs[SDT_LENGTH / 4]);
    slot->regs[SDT_HELD_LENGTH / 4] = slot->held_length;
    if (!slot->held_length) {
        return SDT_RESULT_REFUSED;
    }
    set_state(slot, SDT_STATE_HELD, true);
    return SDT_RESULT_OK;
}

/* Takes a pointer that was given back anew.  Returns: whether it is there. */
static bool retake(SdtSlot *slot)
{
    uint32_t wanted = slot->held_length;

    if (slot->held) {
        return true;
    }
    slot->held_length = take(slot, wanted);
    return slot->held_length == wanted;
}

static uint32_t do_touch(SdtSlot *slot)
{
    uint32_t length = slot->regs[SDT_LENGTH / 4];

    if (length > slot->held_length) {
        return SDT_RESULT_BAD_RANGE;
    }
    if (!retake(slot)) {
        let_go(slot);
        return SDT_RESULT_REFUSED;
    }
    if (!slot->held_write) {
        memmove(buffer_at(slot), slot->held, length);
        return accept_buffer(slot);
    }
    prepare_buffer(slot);
    memmove(slot->held, buffer_at(slot), length);
    slot->touched = MAX(slot->touched, length);
    slot->regs[SDT_DONE / 4] = length;
    return SDT_RESULT_OK;
}

static uint32_t do_unmap(SdtSlot *slot)
{
    let_go(slot);
    return SDT_RESULT_OK;
}

static uint32_t refusal(const SdtSlot *slot, unsigned op)
{
    bool held = in_state(slot, SDT_STATE_HELD);
    bool master = pci_get_word(PCI_DEVICE(slot->tester)->config +
                               PCI_COMMAND) & PCI_COMMAND_MASTER;

    if (op < SDT_OP_READ || op > SDT_OP_UNMAP) {
        return SDT_RESULT_BAD_COMMAND;
    }
    if (op >= SDT_OP_TOUCH && !held) {
        return SDT_RESULT_NOT_HELD;
    }
    if ((op == SDT_OP_MAP_READ || op == SDT_OP_MAP_WRITE) && held) {
        return SDT_RESULT_HELD;
    }
    if (op != SDT_OP_UNMAP && !range_valid(slot)) {
        return SDT_RESULT_BAD_RANGE;
    }
    return master ? SDT_RESULT_OK : SDT_RESULT_NO_MASTER;
}

static uint32_t carry_out(SdtSlot *slot)
{
    unsigned op = slot->command & SDT_OP_MASK;
    uint32_t refused = refusal(slot, op);

    slot->regs[SDT_DONE / 4] = 0;
    if (refused != SDT_RESULT_OK) {
        return refused;
    }
    switch (op) {
    case SDT_OP_READ:
        return do_read(slot);
    case SDT_OP_WRITE:
        return do_write(slot);
    case SDT_OP_MAP_READ:
    case SDT_OP_MAP_WRITE:
        return do_map(slot, op == SDT_OP_MAP_WRITE);
    case SDT_OP_TOUCH:
        return do_touch(slot);
    default:
        return do_unmap(slot);
    }
}

static void complete(SdtSlot *slot, uint32_t result)
{
    SunderDmaTester *s = slot->tester;

    set_state(slot, SDT_STATE_DELAYED, false);
    slot->regs[SDT_RESULT / 4] = result;
    slot->regs[SDT_COMPLETIONS / 4]++;
    if (slot->command & SDT_CMD_IRQ) {
        sdt_raise(s, 1u << (slot - s->slots));
    }
}

static void slot_timer(void *opaque)
{
    SdtSlot *slot = opaque;
    bool engaged = guard(slot);

    complete(slot, carry_out(slot));
    unguard(slot, engaged);
}

static void start(SdtSlot *slot, uint32_t command)
{
    uint64_t delay_ns = MIN(sdt_get64(slot->regs, SDT_DELAY_NS),
                            DELAY_MAX_NS);

    slot->command = command;
    if (delay_ns) {
        set_state(slot, SDT_STATE_DELAYED, true);
        timer_mod_ns(&slot->timer,
                     qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + delay_ns);
    } else {
        complete(slot, carry_out(slot));
    }
}

static void cancel(SdtSlot *slot)
{
    if (in_state(slot, SDT_STATE_DELAYED)) {
        timer_del(&slot->timer);
        slot->regs[SDT_DONE / 4] = 0;
        complete(slot, SDT_RESULT_CANCELLED);
    }
}

static void go(SdtSlot *slot)
{
    if (in_state(slot, SDT_STATE_DELAYED)) {
        timer_del(&slot->timer);
        complete(slot, carry_out(slot));
    }
}

void sdt_slot_write(SdtSlot *slot, unsigned offset, uint32_t value)
{
    if (offset == SDT_COMMAND && (value & SDT_CMD_CANCEL)) {
        cancel(slot);
    } else if (offset == SDT_COMMAND && (value & SDT_CMD_GO)) {
        go(slot);
    } else if (in_state(slot, SDT_STATE_DELAYED)) {
        return;
    } else if (offset == SDT_COMMAND) {
        start(slot, value);
    } else if (offset < SDT_COMMAND) {
        slot->regs[offset / 4] = value;
    }
}

void sdt_slot_init(SunderDmaTester *s, SdtSlot *slot)
{
    slot->tester = s;
    timer_init_ns(&slot->timer, QEMU_CLOCK_VIRTUAL, slot_timer, slot);
}

void sdt_slot_reset(SdtSlot *slot)
{
    timer_del(&slot->timer);
    /* a device that is reset sends nothing more */
    slot->touched = 0;
    let_go(slot);
    memset(slot->regs, 0, sizeof(slot->regs));
    slot->command = 0;
}

void sdt_slot_cleanup(SdtSlot *slot)
{
    sdt_slot_reset(slot);
}
