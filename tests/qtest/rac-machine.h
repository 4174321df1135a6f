/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A q35 machine with resource access controllers, under qtest
 *
 * There is no firmware: what a test does not program is not there.
 * rac_machine_start() programs the enhanced configuration window and the port
 * "rac0" (00:04.0), which leads to bus 1; the device in its slot is 01:00.0.
 *
 * Functions are named by their routing ID: bus << 8 | device << 3 | function.
 */
#ifndef SUNDER_TESTS_RAC_MACHINE_H
#define SUNDER_TESTS_RAC_MACHINE_H

#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

#define BDF(bus, device, function) ((bus) << 8 | (device) << 3 | (function))

/* rac0, its windows, and what is in its slot. */
#define PORT            BDF(0, 4, 0)
#define DEVICE          BDF(1, 0, 0)
#define WINDOW          UINT64_C(0xd0000000)
#define WINDOW_SIZE     UINT64_C(0x01000000)
#define IO_WINDOW       0xc000u
/* Where a second port, 00:05.0, and its device may be. */
#define PORT_2          BDF(0, 5, 0)
#define DEVICE_2        BDF(2, 0, 0)
#define WINDOW_2        UINT64_C(0xd1000000)

/* A register of the igb in rac0's slot. */
#define IGB_STATUS      (WINDOW + 8)

/* QEMU's edu device: its identification, and a register that inverts. */
#define EDU_ID          0x010000edu
#define EDU_LIVENESS    4

/* @options: more command line; %-directives of rac_machine_start() in it */
QTestState *rac_machine_start(const char *options, ...)
    G_GNUC_PRINTF(1, 2);
/* With an edu device "nic0" in rac0's slot, its BAR at WINDOW. */
QTestState *rac_machine_start_edu(void);
/*
 * With an igb "nic0", its BAR 0 at WINDOW, its BAR 2 at IO_WINDOW, and error
 * messages enabled.
 * @port_options: empty, or more properties of the port, as ",dpc=off"
 */
QTestState *rac_machine_start_igb(const char *port_options);
/* The command line that rac_machine_start() gives QEMU; freed by the caller. */
char *rac_machine_args(const char *options);
/* Programs host bridge and rac0 in a machine started otherwise. */
void rac_machine_program(QTestState *qts);

/* Turns the window on that the config_ functions use. */
void config_window_enable(QTestState *qts);
uint8_t config_readb(QTestState *qts, unsigned bdf, unsigned offset);
uint16_t config_readw(QTestState *qts, unsigned bdf, unsigned offset);
uint32_t config_readl(QTestState *qts, unsigned bdf, unsigned offset);
void config_writeb(QTestState *qts, unsigned bdf, unsigned offset,
                   uint8_t value);
void config_writew(QTestState *qts, unsigned bdf, unsigned offset,
                   uint16_t value);
void config_writel(QTestState *qts, unsigned bdf, unsigned offset,
                   uint32_t value);

/* Returns: offset of a capability, 0 if there is none. */
unsigned config_find_capability(QTestState *qts, unsigned bdf, uint8_t id);
unsigned config_find_extended(QTestState *qts, unsigned bdf, uint16_t id);

/*
 * bridge_program:
 * @size: of the memory window; a multiple of 1 MiB
 *
 * Gives a bridge its buses and its memory window, and lets it forward.
 */
void bridge_program(QTestState *qts, unsigned bdf, uint8_t secondary,
                    uint8_t subordinate, uint64_t window, uint64_t size);
/* Gives a bridge the 4 KiB of I/O ports at @base. */
void bridge_program_io(QTestState *qts, unsigned bdf, uint16_t base);
/* Sets and clears Secondary Bus Reset in Bridge Control. */
void bridge_reset_bus(QTestState *qts, unsigned bdf);

/* Puts a BAR at @address and lets the function answer there and be master. */
void bar_program(QTestState *qts, unsigned bdf, unsigned index,
                 uint64_t address);

/* Lets the port and the device in its slot send error messages. */
void errors_enable(QTestState *qts);

/* Puts BAR 0 of the device in rac0's slot at WINDOW. */
void device_program(QTestState *qts);

/*
 * QMP.  @more is what follows in the arguments, such as
 * ", 'count': 3"; NULL for nothing.
 */
void fault_add(QTestState *qts, const char *point, const char *outcome,
               const char *more);
void fault_remove(QTestState *qts, const char *id);
/* Returns: times that the rule called @id fired. */
int64_t fault_fired(QTestState *qts, const char *id);
bool fault_point_exists(QTestState *qts, const char *point);

/* @fake: NULL to leave it */
void rac_label(QTestState *qts, const char *resource, const char *fake);
void rac_clear(QTestState *qts, const char *resource);
/* Changes the way to fake only; @value is used by "constant". */
void rac_set_fake(QTestState *qts, const char *resource, const char *fake,
                  uint64_t value);
/* Returns: the entry of query-sunder-rac, or NULL; unreferenced by caller. */
QDict *rac_entry(QTestState *qts, const char *resource);
bool rac_is_labelled(QTestState *qts, const char *resource);
int64_t rac_counter(QTestState *qts, const char *resource,
                    const char *counter);
/* Returns: what query-sunder-rac says of controller @id. */
QDict *rac_info(QTestState *qts, const char *id);

/* Sends one command that must fail; returns its error, freed by caller. */
char *qmp_error(QTestState *qts, const char *command) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: whether an event of that name has come and not been taken. */
bool event_came(QTestState *qts, const char *event);
/*
 * Waits for SUNDER_RAC_LABELLED or _CLEARED of @resource, which must have
 * @reason; passes over those of other resources.
 */
void expect_rac_event(QTestState *qts, const char *event,
                      const char *resource, const char *reason);

#endif
