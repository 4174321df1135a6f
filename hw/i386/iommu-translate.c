/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: translation
 *
 * The parent's region class has one function that translates; this file's
 * stands in its place.  It is called in any thread, within RCU.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "qemu/main-loop.h"

IommuParent iommu_parent;

/*
 * Counters of hits that a thread has to itself until it ends; threads beyond
 * PAGING_SHARDS share the last ones, at the price of atomic additions to a
 * cache line that goes to and fro.
 */
#define SHARD_SHARED (PAGING_SHARDS - 1)
QEMU_BUILD_BUG_ON(PAGING_SHARDS > 32);

static unsigned shards_taken;           /* a bit each */
static __thread unsigned shard;         /* + 1; 0: none yet */
static __thread Notifier shard_thread_ends;

static void give_shard_back(Notifier *notifier, void *data)
{
    qatomic_and(&shards_taken, ~(1u << (shard - 1)));
    shard = SHARD_SHARED + 1;
}

static void take_shard(void)
{
    unsigned taken = qatomic_read(&shards_taken);
    unsigned n, seen;

    do {
        seen = taken;
        n = cto32(seen);
        if (n >= SHARD_SHARED) {
            shard = SHARD_SHARED + 1;
            return;
        }
        taken = qatomic_cmpxchg(&shards_taken, seen, seen | 1u << n);
    } while (taken != seen);
    shard = n + 1;
    shard_thread_ends.notify = give_shard_back;
    qemu_thread_atexit_add(&shard_thread_ends);
}

static unsigned thread_shard(void)
{
    if (unlikely(!shard)) {
        take_shard();
    }
    return shard - 1;
}

static uint16_t requester(const IommuClient *client)
{
    const VTDAddressSpace *as = client->as;
    const PCIBus *bus = as->bus;
    uint8_t number = bus->flags & PCI_BUS_IS_ROOT ? client->root_bus :
                     bus->parent_dev->config[PCI_SECONDARY_BUS];

    return PCI_BUILD_BDF(number, as->devfn);
}

static uint64_t context_key(const IommuClient *client)
{
    return UINT64_C(1) << 48 | requester(client) |
           (uint64_t)qatomic_read(&client->iommu->context_epoch) << 16;
}

static IommuClient *client_new(VTDAddressSpace *as)
{
    SunderIommu *s = SUNDER_IOMMU(as->iommu_state);
    IommuClient *client = g_new0(IommuClient, 1);

    client->iommu = s;
    client->as = as;
    client->root_bus = pci_bus_is_root(as->bus) ? pci_bus_num(as->bus) : 0;
    client->paging = paging_device_new(s->table);
    QLIST_INSERT_HEAD_RCU(&s->clients, client, next);
    return client;
}

/*
 * A region that translates uses no opaque pointer of its own: it leads to
 * the client.
 */
IommuClient *iommu_client(VTDAddressSpace *as)
{
    MemoryRegion *mr = &as->iommu.parent_obj;
    IommuClient *client = qatomic_load_acquire(&mr->opaque);
    SunderIommu *s;

    if (likely(client)) {
        return client;
    }
    s = SUNDER_IOMMU(as->iommu_state);
    QEMU_LOCK_GUARD(&s->lock);
    if (!mr->opaque) {
        qatomic_store_release(&mr->opaque, (void *)client_new(as));
    }
    return mr->opaque;
}

/* The context entry, as the context cache holds it until invalidated. */
static void refresh_context(IommuClient *client)
{
    SunderIommu *s = client->iommu;
    uint64_t key = context_key(client);
    PagingContext context;

    QEMU_LOCK_GUARD(&s->lock);
    client->last_requester = key & 0xffff;
    client->reason = paging_context_read(s->table,
                                         INTEL_IOMMU_DEVICE(s)->root,
                                         client->last_requester, &context);
    qatomic_set(&client->faults_disabled, context.faults_disabled);
    qatomic_set(&client->pass_through,
                !client->reason && context.pass_through);
    paging_device_set_context(client->paging,
                              client->reason ? NULL : &context);
    /* What is not there is not cached (CAP.CM is another matter). */
    qatomic_store_release(&client->context_key, client->reason ? 0 : key);
}

static void set_entry(IOMMUTLBEntry *entry, hwaddr address,
                      const PagingResult *result)
{
    entry->iova = address & ~result->mask;
    entry->translated_addr = result->address;
    entry->addr_mask = result->mask;
    entry->perm = result->permissions;
}

static void block(IommuClient *client, hwaddr address, unsigned access,
                  PagingReason reason)
{
    qatomic_inc(&client->blocked);
    iommu_log_fault(client, address, access, reason);
}

static SunderIommuInvalidation invalidation(const PagingResult *result)
{
    return result->invalidation == PAGING_PENDING ?
           SUNDER_IOMMU_INVALIDATION_PENDING :
           SUNDER_IOMMU_INVALIDATION_NEVER;
}

static void use_stale(IommuClient *client, hwaddr address, unsigned access,
                      const PagingResult *result, IOMMUTLBEntry *entry)
{
    if (paging_table_mode(client->iommu->table) != PAGING_MODE_COHERENT) {
        iommu_report_stale(client, address, access, result,
                           invalidation(result), iommu_holds(client));
    }
    if (result->action == PAGING_BLOCKED) {
        block(client, address, access, result->reason);
    } else {
        set_entry(entry, address, result);
    }
}

/*
 * A write-back to a page that was invalidated since it was mapped, and that
 * leads elsewhere (status OK) or nowhere now.
 */
static void use_held(IommuClient *client, hwaddr address, unsigned access,
                     PagingStatus status, PagingResult *now,
                     IOMMUTLBEntry *entry)
{
    PagingMode mode = paging_table_mode(client->iommu->table);
    uint64_t mapped_ns;
    const PagingResult *then = iommu_held_page(client, address, &mapped_ns);

    now->old_entry = then->entry;
    now->new_entry = status == PAGING_OK ? now->entry : 0;
    now->age_ns = sunder_fault_now_ns() - mapped_ns;
    now->action = status == PAGING_OK && mode != PAGING_MODE_ENFORCE ?
                  PAGING_HEALED : PAGING_BLOCKED;
    qatomic_inc(&client->held_stale);
    if (mode != PAGING_MODE_COHERENT) {
        iommu_report_stale(client, address, access, now,
                           SUNDER_IOMMU_INVALIDATION_DONE, true);
    }
    if (now->action == PAGING_BLOCKED) {
        block(client, address, access,
              now->reason ? now->reason : PAGING_REASON_WRITE);
    } else {
        set_entry(entry, address, now);
    }
}

/* Whether the page is another one than when it was mapped for longer. */
static bool held_differs(IommuClient *client, hwaddr address,
                         PagingStatus status, const PagingResult *now)
{
    uint64_t mapped_ns;
    const PagingResult *then;

    if (likely(!iommu_held) ||
        (status != PAGING_OK && status != PAGING_FAULT)) {
        return false;
    }
    then = iommu_held_page(client, address, &mapped_ns);
    return then && (status == PAGING_FAULT ||
                    (then->address | (address & then->mask)) !=
                    (now->address | (address & now->mask)));
}

/* For held mappings nobody has looked for a hit yet. */
static PagingStatus ask_table(IommuClient *client, hwaddr address,
                              unsigned access, uint64_t now_ns,
                              PagingResult *result)
{
    return iommu_held ?
           paging_translate(client->paging, address, access, now_ns,
                            thread_shard(), result) :
           paging_translate_missed(client->paging, address, access, now_ns,
                                   thread_shard(), result);
}

static void translate_afresh(IommuClient *client, hwaddr address,
                             unsigned access, IOMMUTLBEntry *entry)
{
    uint64_t now_ns = iommu_clock_coarse(client->iommu);
    PagingResult result;
    PagingStatus status = ask_table(client, address, access, now_ns, &result);

    if (held_differs(client, address, status, &result)) {
        use_held(client, address, access, status, &result, entry);
        return;
    }
    switch (status) {
    case PAGING_OK:
        set_entry(entry, address, &result);
        break;
    case PAGING_STALE:
        result.age_ns += sunder_fault_now_ns() - now_ns;
        use_stale(client, address, access, &result, entry);
        break;
    case PAGING_FAULT:
        iommu_log_fault(client, address, access, result.reason);
        break;
    case PAGING_NO_CONTEXT:
        iommu_log_fault(client, address, access,
                        client->reason ? client->reason :
                                         PAGING_REASON_CONTEXT_ABSENT);
        break;
    }
}

/*
 * What this thread asked last, if QEMU may ask the same again:
 *
 * - What it does with memory that cannot be accessed it does four bytes at a
 *   time, and asks for each.  A refusal holds for the rest of the access
 *   within its page.
 * - When a device maps memory it asks of each further page whether it lies
 *   behind the one before.  If it does not, or is refused, the device maps
 *   it next.
 *
 * To counters, rules and reports that is one access.
 */
typedef enum Answer { NOT_ASKED, LET_THROUGH, REFUSED } Answer;

static __thread struct {
    const IommuClient *client;  /* NULL: none */
    hwaddr address;
    hwaddr end;                 /* of the whole access */
    bool extends;               /* whether it lies behind the one before */
    Answer answer;
} latest;

#define LARGEST_PIECE 8

static void set_latest(const IommuClient *client, hwaddr address,
                       Answer answer)
{
    latest.client = client;
    latest.address = address;
    latest.end = address + address_space_access_length;
    latest.extends = address_space_extends;
    latest.answer = answer;
}

static IOMMUTLBEntry refuse(const IommuClient *client, hwaddr address)
{
    set_latest(client, address, REFUSED);
    return (IOMMUTLBEntry) { .target_as = &address_space_memory };
}

/* Whether that is the rest of what was asked last, or the same once more. */
static bool continues(const IommuClient *client, hwaddr address)
{
    if (latest.client != client ||
        address + address_space_access_length != latest.end) {
        return false;
    }
    return latest.extends ? address == latest.address :
           address > latest.address &&
           address - latest.address <= LARGEST_PIECE &&
           !((address ^ latest.address) & VTD_PAGE_MASK_4K);
}

static Answer answered(const IommuClient *client, hwaddr address)
{
    Answer answer = continues(client, address) ? latest.answer : NOT_ASKED;

    latest.client = NULL;
    return answer;
}

/* Returns: whether a rule refuses it, or has a moment ago. */
static bool rules_refuse(IommuClient *client, FaultPoint *point,
                         hwaddr address, unsigned access)
{
    Answer answer = latest.client ? answered(client, address) : NOT_ASKED;

    if (iommu_held && iommu_held_refused(client, address)) {
        return true;
    }
    if (answer != NOT_ASKED || !point || !fault_point_armed(point)) {
        return answer == REFUSED;
    }
    if (iommu_point_refuses(client, point, address, access)) {
        return true;
    }
    if (address_space_extends) {
        set_latest(client, address, LET_THROUGH);
    }
    return false;
}

static bool is_parents(SunderIommu *s, const VTDAddressSpace *as)
{
    const IntelIOMMUState *v = &s->parent_obj;

    return !iommu_checks(s) || !v->dmar_enabled || v->root_scalable ||
           as->pasid != PCI_NO_PASID;
}

/*
 * The parent then takes the IOMMU out of the device's way, and may read
 * tables that are registers: both want the big lock, which the parent would
 * take behind its own and the main thread takes before it.
 */
static IOMMUTLBEntry pass_through(IommuClient *client, hwaddr address,
                                  IOMMUAccessFlags flag, int index)
{
    bool locked = bql_locked();
    IOMMUTLBEntry entry;

    if (!locked) {
        bql_lock();
    }
    entry = iommu_parent.translate(&client->as->iommu, address, flag, index);
    if (!locked) {
        bql_unlock();
    }
    return entry;
}

static IOMMUTLBEntry translate_without_hit(IommuClient *client,
                                           hwaddr address, unsigned access,
                                           IOMMUAccessFlags flag, int index)
{
    IOMMUTLBEntry entry = { .target_as = &address_space_memory };

    if (qatomic_read(&client->pass_through)) {
        return pass_through(client, address, flag, index);
    }
    translate_afresh(client, address, access, &entry);
    return entry.perm == IOMMU_NONE ? refuse(client, address) : entry;
}

/*
 * The way of a hit.  Each part of its answer is stored once and where it
 * stays: copying a structure just written part by part stalls the host's
 * processor for longer than the rest takes.
 */
static inline IOMMUTLBEntry translate_unruled(IommuClient *client,
                                              VTDAddressSpace *as,
                                              hwaddr address,
                                              IOMMUAccessFlags flag,
                                              int index)
{
    SunderIommu *s = container_of(as->iommu_state, SunderIommu, parent_obj);
    unsigned access = flag & IOMMU_WO ? PAGING_WRITE : PAGING_READ;
    PagingResult result;

    if (unlikely(is_parents(s, as))) {
        return iommu_parent.translate(&as->iommu, address, flag, index);
    }
    if (unlikely(qatomic_load_acquire(&client->context_key) !=
                 context_key(client))) {
        refresh_context(client);
    }
    if (unlikely(iommu_held) ||
        unlikely(!paging_hit(client->paging, address, access,
                             iommu_clock_coarse(s), thread_shard(),
                             &result))) {
        return translate_without_hit(client, address, access, flag, index);
    }
    return (IOMMUTLBEntry) {
        .target_as = &address_space_memory,
        .iova = address & ~result.mask,
        .translated_addr = result.address,
        .addr_mask = result.mask,
        .perm = result.permissions,
    };
}

IOMMUTLBEntry iommu_translate_unruled(IommuClient *client, hwaddr address,
                                      IOMMUAccessFlags flag)
{
    return translate_unruled(client, client->as, address, flag, 0);
}

static IOMMUTLBEntry translate(IOMMUMemoryRegion *region, hwaddr address,
                               IOMMUAccessFlags flag, int index)
{
    VTDAddressSpace *as = container_of(region, VTDAddressSpace, iommu);
    IommuClient *client = iommu_client(as);
    FaultPoint *point = qatomic_read(&client->point);

    if (unlikely(latest.client || iommu_held ||
                 (point && fault_point_armed(point))) &&
        rules_refuse(client, point, address,
                     flag & IOMMU_WO ? PAGING_WRITE : PAGING_READ)) {
        return refuse(client, address);
    }
    return translate_unruled(client, as, address, flag, index);
}

void iommu_translate_init(SunderIommu *s)
{
    IOMMUMemoryRegionClass *class = IOMMU_MEMORY_REGION_CLASS(
        object_class_by_name(TYPE_INTEL_IOMMU_MEMORY_REGION));

    if (!iommu_parent.translate) {
        iommu_parent.translate = class->translate;
    }
    class->translate = translate;
}
