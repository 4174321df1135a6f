/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma-bug: a driver for "sunder-dma-tester" that makes a mistake on request
 *
 * It receives data as drivers do: map a buffer for the device, tell the device
 * to fill it, wait, unmap, look at it.  The device fills the first half at
 * once and the second half later.  With the module's parameter "bug" one of
 * these steps is wrong, in a way that drivers have been:
 *
 *   none         all is well
 *   early-unmap  the buffer is unmapped before the device fills its second
 *                half
 *   no-wait      the same, and nobody ever waits for the device, which takes
 *                "delay_us"
 *   reuse        the device is given the address of a buffer that has been
 *                unmapped
 *   held         the device translates the address, the buffer is unmapped,
 *                the device writes to where the address led
 *   length       the device is told twice the length that was mapped
 *
 * But for "no-wait" the mistakes are the same in every run: between the unmap
 * and the late access interrupts are off, so that no lazy flush comes between.
 *
 * A late byte is one that arrived after the unmap.  Drivers would have freed
 * the buffer by then, and the byte would be someone else's; here the buffer
 * stays with the module until the device is done with it.
 *
 *   echo 3 >/sys/bus/pci/drivers/dma-bug/0000:00:09.0/receive
 *
 * receives three buffers; "late" beside it tells how many bytes came late.
 * The device is found by its driver's own table; as no module alias is made of
 * it the module is loaded by name only.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "hw/misc/dma-tester.h"

#define BAR_REGISTERS    0
#define FIRST_HALF       SDT_SLOT(0)
#define SECOND_HALF      SDT_SLOT(1)
#define PATTERN          0x5d5d5d5d5d5d5d5dull
#define PATTERN_BYTE     0x5d
#define RECEIVE_MAX      1000000
/* Linux flushes lazily unmapped addresses after 10 ms (IOVA_FQ_TIMEOUT). */
#define LAZY_FLUSH_MS    50
#define DEVICE_TIMEOUT_US  (5 * USEC_PER_SEC)
/* The device waits for SDT_CMD_GO. */
#define UNTIL_TOLD       (3600ull * NSEC_PER_SEC)

enum mistake {
    MISTAKE_NONE,
    MISTAKE_EARLY_UNMAP,
    MISTAKE_NO_WAIT,
    MISTAKE_REUSE,
    MISTAKE_HELD,
    MISTAKE_LENGTH,
};

static const char *const mistake_names[] = {
    [MISTAKE_NONE] = "none",
    [MISTAKE_EARLY_UNMAP] = "early-unmap",
    [MISTAKE_NO_WAIT] = "no-wait",
    [MISTAKE_REUSE] = "reuse",
    [MISTAKE_HELD] = "held",
    [MISTAKE_LENGTH] = "length",
};

static int bug;

static int bug_set(const char *value, const struct kernel_param *param)
{
    int found = sysfs_match_string(mistake_names, value);

    if (found < 0) {
        pr_err("bug=%s: expected none, early-unmap, no-wait, reuse, held or "
               "length\n", value);
        return found;
    }
    *(int *)param->arg = found;
    return 0;
}

static int bug_get(char *text, const struct kernel_param *param)
{
    return sysfs_emit(text, "%s\n", mistake_names[*(int *)param->arg]);
}

static const struct kernel_param_ops bug_ops = {
    .set = bug_set,
    .get = bug_get,
};

module_param_cb(bug, &bug_ops, &bug, 0644);
MODULE_PARM_DESC(bug, "none, early-unmap, no-wait, reuse, held or length");

static unsigned int bytes = PAGE_SIZE;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "length of a buffer: two pages at most, 4096");

static unsigned int delay_us = 2000;
module_param(delay_us, uint, 0644);
MODULE_PARM_DESC(delay_us, "until the device fills the second half, 2000");

/* One device */
struct tester {
    struct pci_dev *pci;
    void __iomem *registers;
    struct mutex lock;          /* one reception at a time */
    void *buffers[2];           /* take turns, as those of a ring do */
    void *buffer;               /* the one whose turn it is */
    dma_addr_t address;
    u64 late;                   /* bytes that arrived after the unmap */
};

static void write_u64(struct tester *t, unsigned int offset, u64 value)
{
    writel(lower_32_bits(value), t->registers + offset);
    writel(upper_32_bits(value), t->registers + offset + 4);
}

/* Tell the device to write its pattern to memory. */
static void command(struct tester *t, unsigned int slot, u64 address,
                    unsigned int length, u64 delay_ns, u32 what)
{
    write_u64(t, slot + SDT_IOVA, address);
    writel(length, t->registers + slot + SDT_LENGTH);
    writel(0, t->registers + slot + SDT_OFFSET);
    write_u64(t, slot + SDT_DELAY_NS, delay_ns);
    write_u64(t, slot + SDT_PATTERN, PATTERN);
    writel(what, t->registers + slot + SDT_COMMAND);
}

static void fill(struct tester *t, unsigned int slot, u64 address,
                 unsigned int length, u64 delay_ns)
{
    command(t, slot, address, length, delay_ns,
            SDT_OP_WRITE | SDT_CMD_PATTERN);
}

static void fill_in_two_parts(struct tester *t, u64 delay_ns)
{
    fill(t, FIRST_HALF, t->address, bytes / 2, 0);
    fill(t, SECOND_HALF, t->address + bytes / 2, bytes / 2, delay_ns);
}

static u64 usual_delay(void)
{
    return (u64)READ_ONCE(delay_us) * NSEC_PER_USEC;
}

static int wait_for_device(struct tester *t)
{
    u32 state;
    int error = readl_poll_timeout(t->registers + SECOND_HALF + SDT_STATE,
                                   state, !(state & SDT_STATE_DELAYED), 100,
                                   DEVICE_TIMEOUT_US);

    if (error) {
        dev_err(&t->pci->dev, "the device does not finish\n");
    }
    return error;
}

static int map(struct tester *t)
{
    t->buffer = t->buffers[t->buffer == t->buffers[0]];
    memset(t->buffer, 0, 2 * bytes);
    t->address = dma_map_single(&t->pci->dev, t->buffer, bytes,
                                DMA_FROM_DEVICE);
    return dma_mapping_error(&t->pci->dev, t->address);
}

/* The buffer is the driver's again: what comes from now on comes late. */
static void unmap(struct tester *t)
{
    dma_unmap_single(&t->pci->dev, t->address, bytes, DMA_FROM_DEVICE);
    memset(t->buffer, 0, 2 * bytes);
}

static unsigned int bytes_arrived(struct tester *t)
{
    const u8 *byte = t->buffer;
    unsigned int count = 0;
    unsigned int i;

    for (i = 0; i < 2 * bytes; i++) {
        count += READ_ONCE(byte[i]) == PATTERN_BYTE;
    }
    return count;
}

/* Account for what arrived since unmap(), once. */
static void count_late(struct tester *t)
{
    unsigned int count = bytes_arrived(t);

    memset(t->buffer, 0, 2 * bytes);
    if (count) {
        t->late += count;
        dev_info_ratelimited(&t->pci->dev,
                             "%u bytes arrived after the unmap\n", count);
    }
}

static int receive_well(struct tester *t)
{
    unsigned int arrived;
    int error;

    fill_in_two_parts(t, usual_delay());
    error = wait_for_device(t);
    dma_sync_single_for_cpu(&t->pci->dev, t->address, bytes, DMA_FROM_DEVICE);
    arrived = bytes_arrived(t);
    unmap(t);
    if (!error && arrived != bytes) {
        dev_err_ratelimited(&t->pci->dev, "%u of %u bytes arrived\n",
                            arrived, bytes);
        return -EIO;
    }
    return error;
}

static int receive_early_unmap(struct tester *t)
{
    unsigned long flags;

    local_irq_save(flags);
    fill_in_two_parts(t, UNTIL_TOLD);
    unmap(t);
    writel(SDT_CMD_GO, t->registers + SECOND_HALF + SDT_COMMAND);
    local_irq_restore(flags);
    count_late(t);
    return 0;
}

/* What came late for the buffer before is found when the next is due. */
static int receive_no_wait(struct tester *t)
{
    fill_in_two_parts(t, usual_delay());
    unmap(t);
    return 0;
}

static int receive_reuse(struct tester *t)
{
    unsigned long flags;
    int error;

    fill_in_two_parts(t, 0);
    error = wait_for_device(t);
    local_irq_save(flags);
    unmap(t);
    fill(t, FIRST_HALF, t->address, bytes, 0);
    local_irq_restore(flags);
    count_late(t);
    return error;
}

static int receive_held(struct tester *t)
{
    unsigned long flags;

    local_irq_save(flags);
    command(t, FIRST_HALF, t->address, bytes, 0, SDT_OP_MAP_WRITE);
    unmap(t);
    writel(SDT_OP_TOUCH | SDT_CMD_PATTERN,
           t->registers + FIRST_HALF + SDT_COMMAND);
    writel(SDT_OP_UNMAP, t->registers + FIRST_HALF + SDT_COMMAND);
    local_irq_restore(flags);
    count_late(t);
    return 0;
}

static int receive_length(struct tester *t)
{
    fill(t, FIRST_HALF, t->address, 2 * bytes, 0);
    unmap(t);
    return 0;
}

static int (*const receive_with[])(struct tester *) = {
    [MISTAKE_NONE] = receive_well,
    [MISTAKE_EARLY_UNMAP] = receive_early_unmap,
    [MISTAKE_NO_WAIT] = receive_no_wait,
    [MISTAKE_REUSE] = receive_reuse,
    [MISTAKE_HELD] = receive_held,
    [MISTAKE_LENGTH] = receive_length,
};

/* A reception, or more with "no-wait", left the device at work. */
static int settle(struct tester *t)
{
    int error = wait_for_device(t);

    count_late(t);
    return error;
}

static int receive(struct tester *t)
{
    int how = READ_ONCE(bug);
    int error = settle(t);

    /* The flush of the unmap before would hide a mistake: let it be over. */
    if (how != MISTAKE_NONE) {
        msleep(LAZY_FLUSH_MS);
    }
    if (!error) {
        error = map(t);
    }
    return error ? error : receive_with[how](t);
}

static ssize_t receive_store(struct device *dev,
                             struct device_attribute *attribute,
                             const char *text, size_t size)
{
    struct tester *t = dev_get_drvdata(dev);
    unsigned int count;
    int error = kstrtouint(text, 0, &count);

    if (error || count > RECEIVE_MAX) {
        return -EINVAL;
    }
    mutex_lock(&t->lock);
    while (count-- && !error && !signal_pending(current)) {
        error = receive(t);
    }
    mutex_unlock(&t->lock);
    return error ? error : size;
}
static DEVICE_ATTR_WO(receive);

static ssize_t late_show(struct device *dev,
                         struct device_attribute *attribute, char *text)
{
    struct tester *t = dev_get_drvdata(dev);
    int error;
    u64 late;

    mutex_lock(&t->lock);
    error = settle(t);
    late = t->late;
    mutex_unlock(&t->lock);
    return error ? error : sysfs_emit(text, "%llu\n", late);
}
static DEVICE_ATTR_RO(late);

static struct attribute *tester_attrs[] = {
    &dev_attr_receive.attr,
    &dev_attr_late.attr,
    NULL
};
ATTRIBUTE_GROUPS(tester);

static int map_registers(struct tester *t)
{
    int error = pcim_enable_device(t->pci);

    if (!error) {
        error = pcim_iomap_regions(t->pci, BIT(BAR_REGISTERS), KBUILD_MODNAME);
    }
    if (error) {
        return error;
    }
    t->registers = pcim_iomap_table(t->pci)[BAR_REGISTERS];
    if (readl(t->registers + SDT_ID) != SDT_ID_VALUE) {
        dev_err(&t->pci->dev, "no sunder-dma-tester: ID register 0x%x\n",
                readl(t->registers + SDT_ID));
        return -ENODEV;
    }
    return 0;
}

/* Twice the length each, so that MISTAKE_LENGTH harms nobody else. */
static int allocate_buffers(struct tester *t)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(t->buffers); i++) {
        t->buffers[i] = (void *)devm_get_free_pages(
            &t->pci->dev, GFP_KERNEL | __GFP_ZERO, get_order(2 * bytes));
        if (!t->buffers[i]) {
            return -ENOMEM;
        }
    }
    t->buffer = t->buffers[0];
    return dma_set_mask_and_coherent(&t->pci->dev, DMA_BIT_MASK(64));
}

static int tester_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
    struct tester *t = devm_kzalloc(&pci->dev, sizeof(*t), GFP_KERNEL);
    int error;

    if (!t) {
        return -ENOMEM;
    }
    t->pci = pci;
    error = map_registers(t);
    if (!error) {
        error = allocate_buffers(t);
    }
    if (error) {
        return error;
    }
    mutex_init(&t->lock);
    pci_set_drvdata(pci, t);
    pci_set_master(pci);
    dev_info(&pci->dev, "buffers of %u bytes, bug %s\n", bytes,
             mistake_names[bug]);
    return 0;
}

/* No DMA may come once the buffer is gone. */
static void tester_remove(struct pci_dev *pci)
{
    struct tester *t = pci_get_drvdata(pci);

    writel(1, t->registers + SDT_RESET);
    pci_clear_master(pci);
}

static const struct pci_device_id tester_ids[] = {
    { PCI_DEVICE(SDT_VENDOR_ID, SDT_DEVICE_ID) },
    { }
};

static struct pci_driver tester_driver = {
    .name = "dma-bug",
    .id_table = tester_ids,
    .probe = tester_probe,
    .remove = tester_remove,
    .dev_groups = tester_groups,
};

static int __init dma_bug_init(void)
{
    if (bytes < 2 || bytes > 2 * PAGE_SIZE || bytes % 16) {
        pr_err("dma-bug: bytes=%u: expected a multiple of 16 up to %lu\n",
               bytes, 2 * PAGE_SIZE);
        return -EINVAL;
    }
    return pci_register_driver(&tester_driver);
}
module_init(dma_bug_init);

static void __exit dma_bug_exit(void)
{
    pci_unregister_driver(&tester_driver);
}
module_exit(dma_bug_exit);

MODULE_DESCRIPTION("A DMA driver that makes a mistake on request");
MODULE_LICENSE("GPL");
