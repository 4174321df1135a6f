/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's end of the virtio-serial port, see port.h
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port.h"
#include "wire.h"

/* Linux: drivers/char/virtio_console.c names the port in sysfs */
#define PORTS_FOLDER  "/sys/class/virtio-ports"

/* Above this much unsent data commands wait with their output */
#define OUTPUT_LIMIT  131072u

void port_drop_queue(Port *port)
{
    port->start = 0;
    port->end = 0;
}

/* Nothing received, nothing to be sent. */
static void port_reset(Port *port)
{
    port_drop_queue(port);
    agent_parser_reset(&port->parser);
}

void port_init(Port *port, unsigned number)
{
    port->fd = -1;
    port->number = number;
    port->connected = false;
    port_reset(port);
}

/* The number of the agent's port that @device is, or -1. */
static int number_of(const char *device)
{
    char path[320];
    char name[64] = "";
    char rest;
    unsigned number;
    FILE *file;
    int fields;

    snprintf(path, sizeof(path), PORTS_FOLDER "/%s/name", device);
    file = fopen(path, "re");
    if (!file) {
        return -1;
    }
    fields = fgets(name, sizeof(name), file)
        ? sscanf(name, AGENT_PORT_PREFIX "%u%c", &number, &rest) : 0;
    fclose(file);
    return fields == 2 && rest == '\n' && number < AGENT_PORTS_MAX
        ? (int)number : -1;
}

unsigned port_numbers(void)
{
    DIR *folder = opendir(PORTS_FOLDER);
    struct dirent *entry;
    unsigned numbers = 0;
    int number;

    if (!folder) {
        return 0;
    }
    while ((entry = readdir(folder))) {
        number = entry->d_name[0] == '.' ? -1 : number_of(entry->d_name);
        if (number >= 0) {
            numbers |= 1u << number;
        }
    }
    closedir(folder);
    return numbers;
}

bool port_open(Port *port)
{
    char path[300];
    struct dirent *entry;
    DIR *folder = opendir(PORTS_FOLDER);

    if (!folder) {
        return false;
    }
    while (port->fd < 0 && (entry = readdir(folder))) {
        if (entry->d_name[0] != '.' &&
            number_of(entry->d_name) == (int)port->number) {
            snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
            port->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
    }
    closedir(folder);
    if (port->fd < 0) {
        return false;
    }
    fcntl(port->fd, F_SETOWN, getpid());
    port_reset(port);
    port->connected = true;
    return true;
}

void port_close(Port *port)
{
    close(port->fd);
    port->fd = -1;
    port->connected = false;
    port_reset(port);
}

void port_set_connected(Port *port, bool connected)
{
    if (port->connected != connected) {
        fcntl(port->fd, F_SETFL, O_NONBLOCK | (connected ? 0 : O_ASYNC));
        port->connected = connected;
    }
}

size_t port_room(const Port *port)
{
    return sizeof(port->queue) - (port->end - port->start);
}

bool port_takes_output(const Port *port)
{
    return port->end - port->start < OUTPUT_LIMIT;
}

/* Make @size bytes behind the queue's end; NULL when there is no room. */
static uint8_t *queue_space(Port *port, size_t size)
{
    if (port_room(port) < size) {
        return NULL;
    }
    if (sizeof(port->queue) - port->end < size) {
        memmove(port->queue, port->queue + port->start,
                port->end - port->start);
        port->end -= port->start;
        port->start = 0;
    }
    return port->queue + port->end;
}

void port_send(Port *port, AgentType type, uint16_t flags, uint32_t id,
               const void *payload, size_t length)
{
    AgentFrame frame = {
        .type = (uint16_t)type,
        .flags = flags,
        .id = id,
        .length = (uint32_t)length,
        .payload = payload,
    };
    size_t size = AGENT_HEADER_SIZE + length;
    uint8_t *space = queue_space(port, size);

    if (space) {
        port->end += agent_frame_encode(&frame, space, size);
    }
}

void port_send_u32(Port *port, AgentType type, uint32_t id, uint32_t value)
{
    uint8_t payload[4];

    wire_put32(payload, value);
    port_send(port, type, 0, id, payload, sizeof(payload));
}

void port_send_error(Port *port, uint32_t id, int error, const char *text)
{
    uint8_t payload[256];
    size_t length = strnlen(text, sizeof(payload) - 4);

    wire_put32(payload, (uint32_t)error);
    memcpy(payload + 4, text, length);
    port_send(port, AGENT_ERROR, 0, id, payload, 4 + length);
}

ssize_t port_send_from(Port *port, AgentType type, uint32_t id, int fd)
{
    uint8_t *space = queue_space(port, AGENT_HEADER_SIZE + PORT_OUTPUT_MAX);
    AgentFrame frame = { .type = (uint16_t)type, .id = id };
    ssize_t count;

    if (!space) {
        errno = EAGAIN;
        return -1;
    }
    count = read(fd, space + AGENT_HEADER_SIZE, PORT_OUTPUT_MAX);
    if (count > 0) {
        frame.length = (uint32_t)count;
        frame.payload = space + AGENT_HEADER_SIZE;
        agent_frame_header(&frame, space);
        port->end += AGENT_HEADER_SIZE + (size_t)count;
    }
    return count;
}

bool port_flush(Port *port)
{
    ssize_t count;

    while (port->start < port->end) {
        count = write(port->fd, port->queue + port->start,
                      port->end - port->start);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count == 0 || errno == EAGAIN || errno == EPIPE;
        }
        port->start += (size_t)count;
    }
    port_drop_queue(port);
    return true;
}

int port_receive(Port *port)
{
    size_t room;
    uint8_t *space = agent_parser_space(&port->parser, &room);
    ssize_t count;

    if (!room) {
        return 0;
    }
    count = read(port->fd, space, room);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    agent_parser_received(&port->parser, (size_t)count);
    return (int)count;
}
