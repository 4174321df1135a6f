/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "iommu-machine.h"

/* Descriptors (6.5.2) */
#define DESCRIPTOR_BYTES        16u
#define CONTEXT_GLOBAL          0x11u
#define IOTLB_GLOBAL            0x12u
#define IOTLB_DOMAIN            0x22u
#define IOTLB_PAGES             0x32u
#define WAIT_WRITE              0x25u

/* IOTLB and context command registers (11.4.8, 11.4.7) */
#define IOTLB_REG_GO            (UINT64_C(1) << 63)
#define IOTLB_REG_GLOBAL        (UINT64_C(1) << 60)
#define IOTLB_REG_DOMAIN        (UINT64_C(2) << 60)
#define IOTLB_REG_PAGES         (UINT64_C(3) << 60)
#define CCMD_GO                 (UINT64_C(1) << 63)
#define CCMD_GLOBAL             (UINT64_C(1) << 61)

/* Fault recording register, upper half (11.4.14) */
#define FRCD_F                  (UINT64_C(1) << 63)
#define FRCD_READ               (UINT64_C(1) << 62)

#define ADDRESS_MASK            UINT64_C(0x000ffffffffff000)

uint32_t unit_readl(IommuMachine *m, unsigned offset)
{
    return qtest_readl(m->qts, UNIT + offset);
}

uint64_t unit_readq(IommuMachine *m, unsigned offset)
{
    return qtest_readq(m->qts, UNIT + offset);
}

void unit_writel(IommuMachine *m, unsigned offset, uint32_t value)
{
    qtest_writel(m->qts, UNIT + offset, value);
}

void unit_writeq(IommuMachine *m, unsigned offset, uint64_t value)
{
    qtest_writeq(m->qts, UNIT + offset, value);
}

/* What is on stays on: these bits of the status are commands, too. */
static uint32_t lasting_commands(IommuMachine *m)
{
    return unit_readl(m, REG_GSTS) & (GCMD_TE | GCMD_QIE);
}

void unit_set_root(IommuMachine *m)
{
    qtest_writeq(m->qts, ROOT_TABLE, CONTEXT_TABLE | 1);
    unit_writeq(m, REG_RTADDR, ROOT_TABLE);
    unit_writel(m, REG_GCMD, lasting_commands(m) | GCMD_SRTP);
}

void unit_enable_queue(IommuMachine *m)
{
    unit_writeq(m, REG_IQT, 0);
    unit_writeq(m, REG_IQA, QUEUE);
    unit_writel(m, REG_GCMD, lasting_commands(m) | GCMD_QIE);
    g_assert_true(unit_readl(m, REG_GSTS) & GCMD_QIE);
    m->tail = 0;
    m->queued = true;
}

void unit_set_translation(IommuMachine *m, bool on)
{
    uint32_t others = lasting_commands(m) & ~GCMD_TE;

    unit_writel(m, REG_GCMD, others | (on ? GCMD_TE : 0));
}

IommuFault unit_take_fault(IommuMachine *m)
{
    uint64_t high = unit_readq(m, REG_FRCD + 8);
    IommuFault fault = { 0 };

    if (high & FRCD_F) {
        fault.reason = (high >> 32) & 0xff;
        fault.requester = high & 0xffff;
        fault.address = unit_readq(m, REG_FRCD);
        fault.write = !(high & FRCD_READ);
        unit_writel(m, REG_FRCD + 12, FRCD_F >> 32);
        unit_writel(m, REG_FSTS, FSTS_PFO);
    }
    return fault;
}

void expect_fault(IommuMachine *m, unsigned reason, uint64_t address,
                  bool write)
{
    IommuFault fault = unit_take_fault(m);

    g_assert_cmphex(fault.reason, ==, reason);
    g_assert_cmphex(fault.requester, ==, TESTER);
    g_assert_cmphex(fault.address, ==, address & ~(PAGE_4K - 1));
    g_assert_cmpint(fault.write, ==, write);
}

void expect_no_fault(IommuMachine *m)
{
    g_assert_cmphex(unit_take_fault(m).reason, ==, 0);
}

uint64_t table_new(IommuMachine *m)
{
    uint64_t address = m->next_table;

    g_assert_cmphex(address, <, DATA);
    m->next_table += PAGE_4K;
    qtest_memset(m->qts, address, 0, PAGE_4K);
    return address;
}

void context_set(IommuMachine *m, unsigned bdf, uint64_t tables,
                 unsigned levels, unsigned domain, unsigned type)
{
    uint64_t at = CONTEXT_TABLE + (bdf & 0xff) * 16;

    /* AW: 1 is three levels, 2 is four */
    qtest_writeq(m->qts, at + 8, (levels - 2) | domain << 8);
    qtest_writeq(m->qts, at, tables | type << 2 | 1);
}

uint64_t entry_address(IommuMachine *m, uint64_t tables, unsigned levels,
                       uint64_t iova, unsigned level)
{
    uint64_t table = tables;

    for (unsigned l = levels; ; l--) {
        uint64_t at = table + ((iova >> (12 + (l - 1) * 9)) & 511) * 8;
        uint64_t entry;

        if (l == level) {
            return at;
        }
        entry = qtest_readq(m->qts, at);
        if (!entry) {
            entry = table_new(m) | ENTRY_RW;
            qtest_writeq(m->qts, at, entry);
        }
        table = entry & ADDRESS_MASK;
    }
}

uint64_t entry_get(IommuMachine *m, uint64_t iova)
{
    return qtest_readq(m->qts, entry_address(m, m->tables, 4, iova, 1));
}

void entry_set(IommuMachine *m, uint64_t iova, uint64_t entry)
{
    qtest_writeq(m->qts, entry_address(m, m->tables, 4, iova, 1), entry);
}

void map(IommuMachine *m, uint64_t iova, uint64_t address, unsigned bits)
{
    entry_set(m, iova, address | bits);
}

void unmap(IommuMachine *m, uint64_t iova)
{
    entry_set(m, iova, 0);
}

void queue_put(IommuMachine *m, uint64_t low, uint64_t high)
{
    qtest_writeq(m->qts, QUEUE + m->tail, low);
    qtest_writeq(m->qts, QUEUE + m->tail + 8, high);
    m->tail = (m->tail + DESCRIPTOR_BYTES) % QUEUE_BYTES;
}

void queue_ring(IommuMachine *m)
{
    unit_writel(m, REG_IQT, m->tail);
}

void queue_submit(IommuMachine *m, uint64_t low, uint64_t high)
{
    uint32_t value = ++m->wait_count;

    queue_put(m, low, high);
    queue_put(m, (uint64_t)value << 32 | WAIT_WRITE, WAIT_STATUS);
    queue_ring(m);
    g_assert_cmpuint(qtest_readl(m->qts, WAIT_STATUS), ==, value);
}

static void invalidate_by_register(IommuMachine *m, uint64_t command)
{
    unit_writeq(m, REG_IOTLB, command | IOTLB_REG_GO);
    g_assert_false(unit_readq(m, REG_IOTLB) & IOTLB_REG_GO);
}

void invalidate_pages(IommuMachine *m, unsigned domain, uint64_t iova,
                      unsigned order)
{
    uint64_t address = (iova & ~(PAGE_4K - 1)) | order;

    if (m->queued) {
        queue_submit(m, IOTLB_PAGES | domain << 16, address);
    } else {
        unit_writeq(m, REG_IVA, address);
        invalidate_by_register(m, IOTLB_REG_PAGES | (uint64_t)domain << 32);
    }
}

void invalidate_domain(IommuMachine *m, unsigned domain)
{
    if (m->queued) {
        queue_submit(m, IOTLB_DOMAIN | domain << 16, 0);
    } else {
        invalidate_by_register(m, IOTLB_REG_DOMAIN | (uint64_t)domain << 32);
    }
}

void invalidate_global(IommuMachine *m)
{
    if (m->queued) {
        queue_submit(m, IOTLB_GLOBAL, 0);
    } else {
        invalidate_by_register(m, IOTLB_REG_GLOBAL);
    }
}

void invalidate_contexts(IommuMachine *m)
{
    if (m->queued) {
        queue_submit(m, CONTEXT_GLOBAL, 0);
    } else {
        unit_writeq(m, REG_CCMD, CCMD_GO | CCMD_GLOBAL);
        g_assert_false(unit_readq(m, REG_CCMD) & CCMD_GO);
    }
}

char *iommu_args(const char *iommu, const char *options)
{
    return g_strdup_printf("-machine q35 -m 256 -nodefaults -nic none "
                           "-device %s,id=iommu0 "
                           "-device sunder-dma-tester,id=dma0,addr=4 %s",
                           iommu, options);
}

static IommuMachine *start(const char *iommu, const char *options)
{
    g_autofree char *args = iommu_args(iommu, options);
    IommuMachine *m = g_new0(IommuMachine, 1);

    m->qts = qtest_init(args);
    m->next_table = TABLES;
    config_window_enable(m->qts);
    bar_program(m->qts, TESTER, 2, TESTER_BUFFER);
    bar_program(m->qts, TESTER, 0, TESTER_BAR);
    return m;
}

IommuMachine *iommu_start(const char *iommu, const char *options, ...)
{
    g_autofree char *formatted = NULL;
    va_list ap;

    va_start(ap, options);
    formatted = g_strdup_vprintf(options, ap);
    va_end(ap);
    return start(iommu, formatted);
}

IommuMachine *iommu_start_mapped(const char *iommu, const char *options, ...)
{
    g_autofree char *formatted = NULL;
    IommuMachine *m;
    va_list ap;

    va_start(ap, options);
    formatted = g_strdup_vprintf(options, ap);
    va_end(ap);
    m = start(iommu, formatted);
    m->tables = table_new(m);
    context_set(m, TESTER, m->tables, 4, DOMAIN, TYPE_MULTI_LEVEL);
    unit_set_root(m);
    unit_enable_queue(m);
    unit_set_translation(m, true);
    return m;
}

IommuMachine *iommu_start_page(const char *iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    qtest_writeq(m->qts, OLD, OLD_VALUE);
    qtest_writeq(m->qts, NEW, NEW_VALUE);
    map(m, IOVA, OLD, ENTRY_RW);
    return m;
}

IommuMachine *iommu_loaded(QTestState *qts, const IommuMachine *before)
{
    IommuMachine *m = g_new0(IommuMachine, 1);

    *m = *before;
    m->qts = qts;
    return m;
}

void iommu_quit(IommuMachine *m)
{
    qtest_quit(m->qts);
    g_free(m);
}

static uint64_t slot_register(unsigned slot, unsigned reg)
{
    return TESTER_BAR + SDT_SLOT(slot) + reg;
}

uint32_t tester_get(IommuMachine *m, unsigned slot, unsigned reg)
{
    return qtest_readl(m->qts, slot_register(slot, reg));
}

void tester_set(IommuMachine *m, unsigned slot, unsigned reg, uint32_t value)
{
    qtest_writel(m->qts, slot_register(slot, reg), value);
}

void tester_set64(IommuMachine *m, unsigned slot, unsigned reg,
                  uint64_t value)
{
    qtest_writeq(m->qts, slot_register(slot, reg), value);
}

void tester_prepare(IommuMachine *m, unsigned slot, uint64_t iova,
                    uint32_t length, uint64_t delay_ns)
{
    tester_set64(m, slot, SDT_IOVA, iova);
    tester_set(m, slot, SDT_LENGTH, length);
    tester_set(m, slot, SDT_OFFSET, 0);
    tester_set64(m, slot, SDT_DELAY_NS, delay_ns);
}

uint32_t tester_command(IommuMachine *m, unsigned slot, uint32_t command)
{
    tester_set(m, slot, SDT_COMMAND, command);
    return tester_get(m, slot, SDT_RESULT);
}

uint32_t dma_read(IommuMachine *m, uint64_t iova, uint64_t *value)
{
    uint32_t result;

    tester_prepare(m, 0, iova, sizeof(*value), 0);
    result = tester_command(m, 0, SDT_OP_READ);
    if (result == SDT_RESULT_OK && value) {
        *value = qtest_readq(m->qts, TESTER_BUFFER);
    }
    return result;
}

uint32_t dma_write(IommuMachine *m, uint64_t iova, uint64_t value)
{
    tester_prepare(m, 0, iova, sizeof(value), 0);
    tester_set64(m, 0, SDT_PATTERN, value);
    return tester_command(m, 0, SDT_OP_WRITE | SDT_CMD_PATTERN);
}

QDict *iommu_info(IommuMachine *m)
{
    return qtest_qmp_assert_success_ref(
        m->qts, "{ 'execute': 'query-sunder-iommu' }");
}

int64_t iommu_counter(IommuMachine *m, const char *counter)
{
    QDict *info = iommu_info(m);
    int64_t value = qdict_get_int(info, counter);

    qobject_unref(info);
    return value;
}

int64_t device_counter(IommuMachine *m, const char *device,
                       const char *counter)
{
    QDict *info = iommu_info(m);
    int64_t value = 0;
    QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "devices"), e) {
        QDict *entry = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(entry, "device"), device)) {
            QDict *where = qdict_haskey(entry, counter) ?
                entry : qdict_get_qdict(entry, "ledger");

            value = qdict_get_int(where, counter);
        }
    }
    qobject_unref(info);
    return value;
}

void set_mode(IommuMachine *m, const char *mode)
{
    qtest_qmp_assert_success(m->qts,
                             "{ 'execute': 'sunder-iommu-set-mode',"
                             "  'arguments': { 'mode': %s } }", mode);
}

QDict *take_stale_event(IommuMachine *m)
{
    QDict *event, *data;

    /* the answer comes behind all events sent so far */
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'query-status' }");
    event = qtest_qmp_event_ref(m->qts, "SUNDER_IOMMU_STALE_DMA");
    if (!event) {
        return NULL;
    }
    data = qdict_get_qdict(event, "data");
    qobject_ref(data);
    qobject_unref(event);
    return data;
}

void expect_no_stale_event(IommuMachine *m)
{
    g_assert_null(take_stale_event(m));
}
