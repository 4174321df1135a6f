/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-stream.h"
#include "qemu/bswap.h"
#include <poll.h>

#define WAIT_MS 60000

void stream_open(Stream *s, const char *properties,
                        const char *more)
{
    g_autofree char *all = NULL, *options = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    all = g_strdup_printf(",ports=n0%s", properties);
    options = g_strdup_printf("-netdev stream,id=n0,addr.type=fd,addr.str=%d "
                              "%s", fds[1], more);
    s->m = nic_machine_start(0, all, options);
    s->fd = fds[0];
    close(fds[1]);
}

void stream_start(Stream *s, const char *properties)
{
    stream_open(s, properties, "");
    qnic_start(&s->q, s->m, 0, 0);
}

void stream_end(Stream *s)
{
    qnic_leave(&s->q);
    nic_machine_end(s->m);
    close(s->fd);
}

void stream_send(Stream *s, const uint8_t *frame, uint32_t length)
{
    uint8_t bytes[STREAM_LENGTH_BYTES + 2 * NIC_BUFFER];

    stl_be_p(bytes, length);
    memcpy(bytes + STREAM_LENGTH_BYTES, frame, length);
    g_assert_cmpint(write(s->fd, bytes, STREAM_LENGTH_BYTES + length), ==,
                    STREAM_LENGTH_BYTES + length);
}

void stream_send_number(Stream *s, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
               FRAME_TYPE, number);
    stream_send(s, frame, sizeof(frame));
}

static void read_all(int fd, void *data, size_t length)
{
    for (size_t done = 0; done < length; ) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;

        g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
        n = read(fd, (uint8_t *)data + done, length - done);
        g_assert_cmpint(n, >, 0);
        done += n;
    }
}

size_t stream_receive(Stream *s, uint8_t *frame, size_t size)
{
    uint32_t length;

    read_all(s->fd, &length, sizeof(length));
    length = ldl_be_p(&length);
    g_assert_cmpuint(length, <=, size);
    read_all(s->fd, frame, length);
    return length;
}

int64_t stream_receive_number(Stream *s)
{
    uint8_t frame[NIC_BUFFER];

    return frame_number(frame, stream_receive(s, frame, sizeof(frame)));
}

void stream_exchange(Stream *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        stream_send_number(s, i);
        g_assert_cmpint(qnic_receive_number(&s->q, 0), ==, i);
        qnic_notify(&s->q, 0);
        qnic_send_number(&s->q, 1, i);
        g_assert_cmpint(stream_receive_number(s), ==, i);
    }
}
