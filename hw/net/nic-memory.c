/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the guest's memory, through windows
 *
 * A window is a whole region of RAM, mapped once.  Behind an IOMMU there are
 * none: every access is translated.
 */
#include "qemu/osdep.h"
#include "nic-ring.h"
#include "system/dma.h"

/* Only RAM: no driver makes this device write to another one. */
#define ATTRIBUTES ((MemTxAttrs){ .memory = 1 })

static void drop_windows(NicMemory *m)
{
    nic_memory_settle(m);
    for (unsigned i = 0; i < m->n; i++) {
        address_space_cache_destroy(&m->windows[i].cache);
    }
    m->n = 0;
    m->last = NULL;
    m->generation++;
}

/* The machine's memory has changed. */
static void memory_commit(MemoryListener *listener)
{
    drop_windows(container_of(listener, NicMemory, listener));
}

void nic_memory_open(NicMemory *m, AddressSpace *as)
{
    if (m->as) {
        return;
    }
    m->as = as;
    m->listener = (MemoryListener) {
        .name = "sunder-nic",
        .commit = memory_commit,
    };
    memory_listener_register(&m->listener, as);
}

void nic_memory_close(NicMemory *m)
{
    if (!m->as) {
        return;
    }
    drop_windows(m);
    memory_listener_unregister(&m->listener);
    m->as = NULL;
}

/* Maps the section of RAM that @address is in; false: it is in none. */
static bool open_window(NicMemory *m, NicWindow *w, hwaddr address)
{
    hwaddr size;

    address_space_cache_init(&w->cache, m->as, address, 1, true);
    w->start = w->cache.mrs.offset_within_address_space;
    size = int128_get64(int128_min(w->cache.mrs.size,
                                   int128_make64(INT64_MAX)));
    if (w->cache.ptr) {
        address_space_cache_destroy(&w->cache);
        address_space_cache_init(&w->cache, m->as, w->start, size, true);
    }
    w->host = w->cache.ptr;
    w->length = w->cache.len;
    if (w->host && address - w->start < w->length) {
        return true;
    }
    address_space_cache_destroy(&w->cache);
    return false;
}

NicWindow *nic_memory_find_window(NicMemory *m, hwaddr address)
{
    bool opened;

    for (unsigned i = 0; i < m->n; i++) {
        if (address - m->windows[i].start < m->windows[i].length) {
            return m->last = &m->windows[i];
        }
    }
    if (m->n == NIC_WINDOWS) {
        drop_windows(m);
    }
    WITH_RCU_READ_LOCK_GUARD() {
        opened = open_window(m, &m->windows[m->n], address);
    }
    return opened ? m->last = &m->windows[m->n++] : NULL;
}

bool nic_memory_read(NicMemory *m, hwaddr address, void *data,
                     uint32_t length)
{
    const uint8_t *host = nic_memory_map(m, address, length);

    if (host) {
        memcpy(data, host, length);
        return true;
    }
    return dma_memory_read(m->as, address, data, length, ATTRIBUTES) ==
           MEMTX_OK;
}

/* Writes that lie close together are made dirty together. */
#define NEAR 4096

static void make_dirty(NicMemory *m, hwaddr address, uint32_t length)
{
    hwaddr end = address + length;

    if (m->dirty_window != m->last || address + NEAR < m->dirty_start ||
        address > m->dirty_end + NEAR) {
        nic_memory_settle(m);
        m->dirty_window = m->last;
        m->dirty_start = address;
        m->dirty_end = end;
        return;
    }
    m->dirty_start = MIN(m->dirty_start, address);
    m->dirty_end = MAX(m->dirty_end, end);
}

void nic_memory_settle(NicMemory *m)
{
    NicWindow *w = m->dirty_window;

    if (w) {
        address_space_cache_invalidate(&w->cache, m->dirty_start - w->start,
                                       m->dirty_end - m->dirty_start);
        m->dirty_window = NULL;
    }
}

bool nic_memory_write(NicMemory *m, hwaddr address, const void *data,
                      uint32_t length)
{
    uint8_t *host = nic_memory_map(m, address, length);

    if (host) {
        memcpy(host, data, length);
        make_dirty(m, address, length);
        return true;
    }
    return dma_memory_write(m->as, address, data, length, ATTRIBUTES) ==
           MEMTX_OK;
}
