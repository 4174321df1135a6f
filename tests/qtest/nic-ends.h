/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card whose wire "w0" is a pair of unix sockets, under qtest
 */
#ifndef SUNDER_TESTS_NIC_ENDS_H
#define SUNDER_TESTS_NIC_ENDS_H

#include "nic-machine.h"
#include <sys/un.h>

/* Two unix sockets in a folder of their own: the card's and the test's. */
typedef struct Ends {
    char *folder, *card, *test;
    int fd;                     /* bound to test; -1 */
    NicMachine *m;
    QNic q;
} Ends;

struct sockaddr_un ends_address(const char *path);

/* The folder and the names only; and the machine, with a driver. */
void ends_folder(Ends *e);
void ends_start(Ends *e, const char *properties);
/* What ends_folder() made; and all of it. */
void ends_free(Ends *e);
void ends_end(Ends *e);

/* The test's socket comes and goes. */
void ends_bind(Ends *e);
void ends_unbind(Ends *e);
bool ends_send(Ends *e, const void *data, size_t length);
/* Waits a minute for one. */
int64_t ends_receive_number(Ends *e);

/* A counter of a wire, by the name of its property. */
int64_t ends_wire_counter(NicMachine *m, const char *wire,
                          const char *counter);

#endif
