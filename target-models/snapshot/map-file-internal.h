/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map file: how a sector is laid out. */
#ifndef SUNDER_SNAPSHOT_MAP_FILE_INTERNAL_H
#define SUNDER_SNAPSHOT_MAP_FILE_INTERNAL_H

#include "target-models/snapshot/map-file.h"

/* Each sector: kind, version, number, UUID; content; checksum. */
#define AT_KIND         0
#define AT_VERSION      4
#define AT_NUMBER       8
#define AT_UUID         16
#define AT_CONTENT      32
#define AT_SUM          (SNAP_MAP_SECTOR - 8)
#define CONTENT         (AT_SUM - AT_CONTENT)

#define KIND_HEAD       0x68504d53      /* "SMPh" */
#define KIND_STATE      0x73504d53
#define KIND_JOURNAL    0x6a504d53
#define KIND_BITS       0x62504d53

/* In a sector of the journal: epoch, records, then the records. */
#define JOURNAL_HEAD    16
#define RECORD_BYTES    20
#define RECORDS         ((CONTENT - JOURNAL_HEAD) / RECORD_BYTES)

/* The journal begins here: head and state have a page of their own. */
#define JOURNAL_OFFSET  4096
#define MAX_HALF        65536           /* sectors */

/* Numbers in the little order, at any alignment. */
void map_put32(uint8_t *p, uint32_t v);
void map_put64(uint8_t *p, uint64_t v);

/* Begins a sector, all zero but for what each has; ends it. */
void map_sector_begin(const SnapMapHead *head, uint32_t kind, uint64_t number,
                      uint8_t *sector);
void map_sector_end(uint8_t *sector);

/* The records of one epoch that stand in one sector of the journal. */
void map_put_records(const SnapMapHead *head, uint64_t number, uint64_t epoch,
                     const SnapMapRecord *records, unsigned count,
                     uint8_t *sector);

#endif
