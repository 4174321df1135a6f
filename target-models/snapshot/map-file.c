/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map file: the format. */
#include <string.h>

#include "target-models/bytes.h"
#include "map-file-internal.h"

G_DEFINE_QUARK(snap-map-error-quark, snap_map_error)

#define DEFAULT_HALF    256     /* sectors: 5,632 records */

void map_put32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, sizeof(v));
}

void map_put64(uint8_t *p, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, sizeof(v));
}

/* --- Checksum --- */

#define LANES   4

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
    return h ^ h >> 29;
}

/* Four lanes, so that a processor can multiply side by side. */
uint64_t snap_map_sum(const void *bytes, uint64_t length)
{
    uint64_t lane[LANES] = { 1, 2, 3, 4 };
    uint64_t h = length;
    const uint8_t *p = bytes;
    uint8_t tail[8 * LANES] = { 0 };

    for (; length >= sizeof(tail); length -= sizeof(tail)) {
        for (unsigned i = 0; i < LANES; i++, p += 8) {
            lane[i] = mix(lane[i], bytes_le64(p));
        }
    }
    if (length) {
        memcpy(tail, p, length);
        for (unsigned i = 0; i < LANES; i++) {
            lane[i] = mix(lane[i], bytes_le64(tail + 8 * i));
        }
    }
    for (unsigned i = 0; i < LANES; i++) {
        h = mix(h, lane[i]);
    }
    return mix(h, h >> 32);
}

/* --- Layout --- */

static uint64_t blocks_of(const SnapMapHead *head)
{
    return head->length / head->block + !!(head->length % head->block);
}

void snap_map_layout(SnapMapHead *head, SnapMapLayout *layout)
{
    uint64_t blocks = blocks_of(head);

    if (head->half_sectors == 0) {
        head->half_sectors = DEFAULT_HALF;
    }
    layout->journal = JOURNAL_OFFSET;
    layout->half = (uint64_t)head->half_sectors * SNAP_MAP_SECTOR;
    layout->bits = layout->journal + 2 * layout->half;
    layout->bits_sectors = blocks / SNAP_MAP_BITS + !!(blocks % SNAP_MAP_BITS);
    layout->size = layout->bits + layout->bits_sectors * SNAP_MAP_SECTOR;
    layout->size = (layout->size + 4095) / 4096 * 4096;
}

unsigned snap_map_prints_wanted(const SnapMapHead *head)
{
    return MIN(blocks_of(head), SNAP_MAP_PRINTS);
}

uint64_t snap_map_print_offset(const SnapMapHead *head, unsigned n)
{
    unsigned last = snap_map_prints_wanted(head) - 1;
    uint64_t step = last ? (blocks_of(head) - 1) / last : 0;

    return (n == last ? blocks_of(head) - 1 : n * step) * head->block;
}

/* --- Writing --- */

void map_sector_begin(const SnapMapHead *head, uint32_t kind, uint64_t number,
                      uint8_t *sector)
{
    memset(sector, 0, SNAP_MAP_SECTOR);
    map_put32(sector + AT_KIND, kind);
    map_put32(sector + AT_VERSION, SNAP_MAP_VERSION);
    map_put64(sector + AT_NUMBER, number);
    memcpy(sector + AT_UUID, head->uuid, SNAP_MAP_UUID);
}

void map_sector_end(uint8_t *sector)
{
    map_put64(sector + AT_SUM, snap_map_sum(sector, AT_SUM));
}

void snap_map_put_head(const SnapMapHead *head,
                       uint8_t sector[SNAP_MAP_SECTOR])
{
    uint8_t *p = sector + AT_CONTENT;

    map_sector_begin(head, KIND_HEAD, 0, sector);
    map_put64(p, head->length);
    map_put32(p + 8, head->block);
    map_put32(p + 12, head->half_sectors);
    map_put32(p + 16, head->n_prints);
    for (unsigned i = 0; i < head->n_prints; i++) {
        map_put64(p + 24 + 8 * i, head->prints[i]);
    }
    map_sector_end(sector);
}

void snap_map_put_state(const SnapMapHead *head, const SnapMapState *state,
                        uint8_t sector[SNAP_MAP_SECTOR])
{
    uint8_t *p = sector + AT_CONTENT;

    map_sector_begin(head, KIND_STATE, 1, sector);
    p[0] = state->clean;
    p[1] = state->power_safe;
    map_put64(p + 8, state->epoch);
    memcpy(p + 16, state->boot, SNAP_MAP_BOOT);
    memcpy(p + 32, state->newer, SNAP_MAP_UUID);
    g_strlcpy((char *)p + 48, state->reason, SNAP_MAP_REASON);
    map_sector_end(sector);
}

void snap_map_put_bits(const SnapMapHead *head, const CopyMap *map,
                       uint64_t n, uint8_t sector[SNAP_MAP_SECTOR])
{
    map_sector_begin(head, KIND_BITS, n, sector);
    copy_map_bits(map, n * SNAP_MAP_BITS, sector + AT_CONTENT, CONTENT);
    map_sector_end(sector);
}

void map_put_records(const SnapMapHead *head, uint64_t number, uint64_t epoch,
                     const SnapMapRecord *records, unsigned count,
                     uint8_t *sector)
{
    uint8_t *p = sector + AT_CONTENT;

    map_sector_begin(head, KIND_JOURNAL, number, sector);
    map_put64(p, epoch);
    map_put32(p + 8, count);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *r = p + JOURNAL_HEAD + i * RECORD_BYTES;

        map_put64(r, records[i].first);
        map_put32(r + 8, records[i].count);
        map_put64(r + 12, records[i].sum);
    }
    map_sector_end(sector);
}

void snap_map_put_blank(const SnapMapHead *head, uint64_t n,
                        uint8_t sector[SNAP_MAP_SECTOR])
{
    map_put_records(head, n, 0, NULL, 0, sector);
}

/* --- Reading --- */

static bool damaged(GError **error, const char *what, uint64_t number,
                    const char *why)
{
    g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_DAMAGED,
                "map: %s %" G_GUINT64_FORMAT ": %s; the snapshot cannot be "
                "trusted any more", what, number, why);
    return false;
}

/* What every sector must be; @what names it. */
static bool check_sector(const SnapMapHead *head, uint32_t kind,
                         uint64_t number, const uint8_t *sector,
                         const char *what, GError **error)
{
    if (bytes_le64(sector + AT_SUM) != snap_map_sum(sector, AT_SUM)) {
        return damaged(error, what, number, "its checksum is wrong");
    }
    if (bytes_le32(sector + AT_KIND) != kind ||
        bytes_le32(sector + AT_VERSION) != SNAP_MAP_VERSION ||
        bytes_le64(sector + AT_NUMBER) != number) {
        return damaged(error, what, number, "it is not in its place");
    }
    if (memcmp(sector + AT_UUID, head->uuid, SNAP_MAP_UUID)) {
        return damaged(error, what, number, "it is of another snapshot");
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i]) {
            return false;
        }
    }
    return true;
}

/* Whether this is a map file of a version that we know. */
static bool check_kind(const uint8_t *bytes, GError **error)
{
    uint32_t version = bytes_le32(bytes + AT_VERSION);

    if (is_zero(bytes, SNAP_MAP_HEAD)) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_EMPTY,
                    "map: nothing was written to it yet");
        return false;
    }
    if (bytes_le32(bytes + AT_KIND) != KIND_HEAD) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_FORMAT,
                    "map: no map file: it begins with 0x%08x, expected "
                    "0x%08x; to begin a new snapshot give an empty file",
                    bytes_le32(bytes + AT_KIND), KIND_HEAD);
        return false;
    }
    if (version != SNAP_MAP_VERSION) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_FORMAT,
                    "map: version %u; expected version %u", version,
                    SNAP_MAP_VERSION);
        return false;
    }
    return true;
}

static bool get_head(const uint8_t *sector, SnapMapHead *head, GError **error)
{
    const uint8_t *p = sector + AT_CONTENT;

    memset(head, 0, sizeof(*head));
    memcpy(head->uuid, sector + AT_UUID, SNAP_MAP_UUID);
    if (!check_sector(head, KIND_HEAD, 0, sector, "head", error)) {
        return false;
    }
    head->length = bytes_le64(p);
    head->block = bytes_le32(p + 8);
    head->half_sectors = bytes_le32(p + 12);
    head->n_prints = bytes_le32(p + 16);
    if (head->length > INT64_MAX || head->block < COPY_MAP_MIN_BLOCK ||
        head->block > COPY_MAP_MAX_BLOCK ||
        (head->block & (head->block - 1)) || head->half_sectors == 0 ||
        head->half_sectors > MAX_HALF || head->n_prints > SNAP_MAP_PRINTS) {
        return damaged(error, "head", 0, "a number is out of its range");
    }
    for (unsigned i = 0; i < head->n_prints; i++) {
        head->prints[i] = bytes_le64(p + 24 + 8 * i);
    }
    return true;
}

static bool get_state(const SnapMapHead *head, const uint8_t *sector,
                      SnapMapState *state, GError **error)
{
    const uint8_t *p = sector + AT_CONTENT;

    if (!check_sector(head, KIND_STATE, 1, sector, "state", error)) {
        return false;
    }
    memset(state, 0, sizeof(*state));
    state->clean = p[0];
    state->power_safe = p[1];
    state->epoch = bytes_le64(p + 8);
    memcpy(state->boot, p + 16, SNAP_MAP_BOOT);
    memcpy(state->newer, p + 32, SNAP_MAP_UUID);
    memcpy(state->reason, p + 48, SNAP_MAP_REASON - 1);
    if (state->epoch > UINT32_MAX) {
        return damaged(error, "state", 1, "a number is out of its range");
    }
    return true;
}

bool snap_map_get_head(const uint8_t *bytes, uint64_t file_size,
                       SnapMapHead *head, SnapMapState *state,
                       GError **error)
{
    SnapMapLayout layout;

    if (!check_kind(bytes, error) || !get_head(bytes, head, error) ||
        !get_state(head, bytes + SNAP_MAP_SECTOR, state, error)) {
        return false;
    }
    snap_map_layout(head, &layout);
    if (file_size < layout.size) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_DAMAGED,
                    "map: truncated: %" G_GUINT64_FORMAT " bytes, expected %"
                    G_GUINT64_FORMAT, file_size, layout.size);
        return false;
    }
    return true;
}

bool snap_map_check_use(const SnapMapHead *head, const SnapMapState *state,
                        const uint8_t boot[SNAP_MAP_BOOT], uint32_t block,
                        GError **error)
{
    if (state->reason[0]) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_BROKEN,
                    "map: the snapshot is broken: %s", state->reason);
        return false;
    }
    if (block && block != head->block) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_OTHER,
                    "map: its blocks have %u bytes, not %u", head->block,
                    block);
        return false;
    }
    if (head->n_prints != snap_map_prints_wanted(head)) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_UNSAFE,
                    "map: the snapshot's start was cut short");
        return false;
    }
    if (!state->clean && !state->power_safe &&
        memcmp(state->boot, boot, SNAP_MAP_BOOT)) {
        g_set_error(error, SNAP_MAP_ERROR, SNAP_MAP_ERROR_UNSAFE,
                    "map: the host stopped while the snapshot was in use, and "
                    "old content may not have reached the store before the "
                    "disk was overwritten; the snapshot is lost");
        return false;
    }
    return true;
}

bool snap_map_get_bits(const SnapMapHead *head, uint64_t n,
                       const uint8_t sector[SNAP_MAP_SECTOR], CopyMap *map,
                       GError **error)
{
    if (!check_sector(head, KIND_BITS, n, sector, "bits", error)) {
        return false;
    }
    copy_map_load_bits(map, n * SNAP_MAP_BITS, sector + AT_CONTENT, CONTENT);
    return true;
}

static bool get_records(const SnapMapHead *head, uint64_t n, const uint8_t *p,
                        unsigned count, GArray *records, GError **error)
{
    uint64_t blocks = blocks_of(head);

    for (unsigned i = 0; i < count; i++, p += RECORD_BYTES) {
        SnapMapRecord r = {
            .first = bytes_le64(p),
            .count = bytes_le32(p + 8),
            .sum = bytes_le64(p + 12),
        };

        if (r.first >= blocks || r.count == 0 || r.count > blocks - r.first) {
            return damaged(error, "journal", n, "a record is beyond the disk");
        }
        g_array_append_val(records, r);
    }
    return true;
}

bool snap_map_get_records(const SnapMapHead *head, const SnapMapState *state,
                          uint64_t n, const uint8_t sector[SNAP_MAP_SECTOR],
                          GArray *records, GError **error)
{
    const uint8_t *p = sector + AT_CONTENT;
    uint64_t epoch = bytes_le64(p);
    uint32_t count = bytes_le32(p + 8);

    if (!check_sector(head, KIND_JOURNAL, n, sector, "journal", error)) {
        return false;
    }
    if (epoch < state->epoch) {
        return true;
    }
    if (epoch > state->epoch + 1 || count > RECORDS ||
        n / head->half_sectors != epoch % 2) {
        return damaged(error, "journal", n, "it cannot have been written");
    }
    return get_records(head, n, p + JOURNAL_HEAD, count, records, error);
}
