/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's end of a virtio-serial port
 *
 * Concepts
 *   queue       frames on their way to the host. Whoever queues one asks
 *               port_room() first; the queue never grows and nothing blocks.
 *   connected   the host holds its end open. Without that Linux answers
 *               poll() with POLLHUP at once, for ever: the port then is not
 *               polled but signals SIGIO when its state changes.
 */
#ifndef SUNDER_AGENT_PORT_H
#define SUNDER_AGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/* Room that one frame without bulk data needs; ERROR's text is the longest */
#define PORT_CONTROL_ROOM   1024u

/* Most bytes of output in one frame: Linux writes 32 KiB at a time */
#define PORT_OUTPUT_MAX     32768u

typedef struct Port {
    int fd;                  /* -1 while there is no such port */
    unsigned number;         /* as its name ends */
    bool connected;
    size_t start;            /* first byte of the queue not yet written */
    size_t end;              /* one past the last byte of the queue */
    uint8_t queue[262144];
    AgentParser parser;
} Port;

/* Numbers of the ports there are: bit n is port n. */
unsigned port_numbers(void);

void port_init(Port *port, unsigned number);

/* Look for the port and open it. Returns true when it is open. */
bool port_open(Port *port);

/* Close the port, for instance because its device is gone. */
void port_close(Port *port);

/* Forget what is not yet sent. */
void port_drop_queue(Port *port);

/*
 * Set @connected, and ask for SIGIO while it is false.
 */
void port_set_connected(Port *port, bool connected);

/* Bytes that may be queued now, headers included. */
size_t port_room(const Port *port);

/* True when bulk output may be queued: not much is waiting to be sent. */
bool port_takes_output(const Port *port);

/*
 * Queue a frame; the caller has checked port_room(). One that does not fit is
 * dropped (a damaged agent is worse than a lost frame).
 */
void port_send(Port *port, AgentType type, uint16_t flags, uint32_t id,
               const void *payload, size_t length);
void port_send_u32(Port *port, AgentType type, uint32_t id, uint32_t value);
void port_send_error(Port *port, uint32_t id, int error, const char *text);

/*
 * Queue output without copying it twice: read up to PORT_OUTPUT_MAX bytes
 * from @fd into the queue as one frame. Returns what read(2) returns.
 */
ssize_t port_send_from(Port *port, AgentType type, uint32_t id, int fd);

/* Write what the port takes. Returns false when the port is gone. */
bool port_flush(Port *port);

/*
 * Receive what is there, for agent_parser_next(). Returns the bytes, 0 when
 * there are none (poll() tells whether the host has left), -1 when the port
 * is gone.
 */
int port_receive(Port *port);

#endif /* SUNDER_AGENT_PORT_H */
