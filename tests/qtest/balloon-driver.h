/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver for sunder-balloon under qtest.  It does what it is told, also
 * what no driver should: its rings and buffers lie at fixed addresses in
 * guest memory, so that it goes on in another QEMU after a migration.
 *
 * Below DRIVER_END the memory is the driver's; tests use what is above.
 */
#ifndef SUNDER_TESTS_BALLOON_DRIVER_H
#define SUNDER_TESTS_BALLOON_DRIVER_H

#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/virtio-pci.h"
#include "qobject/qdict.h"
#include "qemu/units.h"

#define BALLOON_DEVFN   QPCI_DEVFN(4, 0)
#define BALLOON_MEMORY  (128 * MiB)
#define BALLOON_MACHINE "-machine q35 -m 128 -nodefaults -vga none "
#define BALLOON_DEVICE  "-device sunder-balloon,id=balloon0,addr=4"
#define SUPER_PAGE      (2 * MiB)

#define DRIVER_BUFFER (2 * MiB)         /* for page numbers */
#define DRIVER_END    (16 * MiB)

/* Features, as masks. */
#define F_MUST_TELL_HOST (1ull << 0)
#define F_STATS_VQ       (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_PAGE_POISON    (1ull << 4)
#define F_REPORTING      (1ull << 5)
#define F_ALL            UINT64_MAX

/* Offsets in the configuration. */
enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4, CONFIG_POISON = 12 };

enum { Q_INFLATE, Q_DEFLATE, Q_STATS, Q_REPORT, Q_COUNT };

typedef struct QBalloon {
    QTestState *qts;
    QPCIBus *bus;
    QVirtioPCIDevice *dev;
    uint64_t features;
    uint16_t posted[Q_COUNT];
    uint16_t seen[Q_COUNT];
} QBalloon;

/*
 * qballoon_start() @features: those of the offered that the driver accepts.
 * qballoon_adopt(): the same driver in another QEMU, after a migration.
 * qballoon_leave(): frees what belongs to the driver; the QEMU lives on.
 * qballoon_reset(): the driver's reset of the device, and a new start.
 */
void qballoon_start(QBalloon *b, QTestState *qts, uint64_t features);
void qballoon_adopt(QBalloon *b, QTestState *qts);
void qballoon_leave(QBalloon *b);
void qballoon_reset(QBalloon *b);

/* Start with BALLOON_MACHINE, a device with @properties, more @options. */
QTestState *qballoon_machine(QBalloon *b, const char *properties,
                             const char *options);
/* Its memory is a file that it maps privately, and that has no name. */
QTestState *qballoon_private_file_machine(QBalloon *b,
                                          const char *properties);
void qballoon_end(QBalloon *b);

/* Memory on hugetlbfs, as options. */
#define QBALLOON_HUGE \
    "-object memory-backend-memfd,id=m,size=128M,share=on,hugetlb=on " \
    "-machine memory-backend=m"

/* Whether the host has the pages for that; if not, the test is skipped. */
bool qballoon_has_huge_pages(void);

uint32_t qballoon_config(QBalloon *b, unsigned offset);
void qballoon_set_config(QBalloon *b, unsigned offset, uint32_t value);

/*
 * qballoon_post() makes one buffer available and notifies the device.
 * qballoon_is_used(): whether the oldest buffer not yet seen is used; it is
 * seen then.  qballoon_wait(): until it is.
 */
typedef struct QBuffer {
    uint64_t address;
    uint32_t length;
    bool device_writes;
} QBuffer;

void qballoon_post(QBalloon *b, unsigned queue, const QBuffer *buffers,
                   unsigned n);
bool qballoon_is_used(QBalloon *b, unsigned queue);
void qballoon_wait(QBalloon *b, unsigned queue);

/* A request with page numbers: posted only, or answered too. */
void qballoon_post_pfns(QBalloon *b, unsigned queue, const uint32_t *pfns,
                        unsigned n);
void qballoon_send_pfns(QBalloon *b, unsigned queue, const uint32_t *pfns,
                        unsigned n);

/*
 * As Linux does: pages of [@start, @start + @length), highest first, in
 * requests of 256.
 */
void qballoon_send(QBalloon *b, unsigned queue, uint64_t start,
                   uint64_t length);

/* QMP. */
void qballoon_set_target(QBalloon *b, uint64_t keep);
QDict *qballoon_info(QBalloon *b);
uint64_t qballoon_number(QBalloon *b, const char *key);
uint64_t qballoon_resident(QBalloon *b);
char *qmp_error(QTestState *qts, const char *command, ...)
    G_GNUC_PRINTF(2, 3);

/* Fills [@start, @start + @length) with bytes that are not zero. */
void qballoon_fill(QBalloon *b, uint64_t start, uint64_t length,
                   uint8_t byte);

/* What the device gives back by itself takes it 20 ms: waits for it. */
void qballoon_wait_for_byte(QBalloon *b, uint64_t address, uint8_t expected);

/* Waits for SUNDER_BALLOON_SWEPT and returns its sweep, to be unrefed. */
QDict *qballoon_wait_swept(QBalloon *b);

/* sunder-balloon-sweep with @arguments ("'mode': 'all'"), to its end. */
QDict *qballoon_sweep(QBalloon *b, const char *arguments);

#endif
