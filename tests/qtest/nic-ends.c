/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-ends.h"
#include <poll.h>

#define WAIT_MS 60000

struct sockaddr_un ends_address(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    return address;
}

void ends_bind(Ends *e)
{
    struct sockaddr_un address = ends_address(e->test);

    e->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    g_assert_cmpint(bind(e->fd, (struct sockaddr *)&address,
                         sizeof(address)), ==, 0);
}

void ends_unbind(Ends *e)
{
    close(e->fd);
    unlink(e->test);
    e->fd = -1;
}

void ends_folder(Ends *e)
{
    *e = (Ends) { .fd = -1 };
    e->folder = g_dir_make_tmp("sunder-nic-XXXXXX", NULL);
    g_assert_nonnull(e->folder);
    e->card = g_strdup_printf("%s/card", e->folder);
    e->test = g_strdup_printf("%s/test", e->folder);
}

void ends_start(Ends *e, const char *properties)
{
    g_autofree char *object = NULL;

    ends_folder(e);
    object = g_strdup_printf("-object sunder-nic-dgram,id=w0,local=unix:%s,"
                             "remote=unix:%s%s", e->card, e->test,
                             properties);
    e->m = nic_machine_start(0, ",ports=w0", object);
    qnic_start(&e->q, e->m, 0, 0);
}

void ends_free(Ends *e)
{
    if (e->fd >= 0) {
        ends_unbind(e);
    }
    unlink(e->card);
    g_assert_cmpint(rmdir(e->folder), ==, 0);
    g_free(e->folder);
    g_free(e->card);
    g_free(e->test);
}

void ends_end(Ends *e)
{
    qnic_leave(&e->q);
    nic_machine_end(e->m);
    ends_free(e);
}

bool ends_send(Ends *e, const void *data, size_t length)
{
    struct sockaddr_un address = ends_address(e->card);
    int bytes = MiB;

    setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return sendto(e->fd, data, length, 0, (struct sockaddr *)&address,
                  sizeof(address)) == (ssize_t)length;
}

int64_t ends_receive_number(Ends *e)
{
    uint8_t frame[NIC_BUFFER];
    struct pollfd p = { .fd = e->fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
    return frame_number(frame, recv(e->fd, frame, sizeof(frame), 0));
}

int64_t ends_wire_counter(NicMachine *m, const char *wire,
                          const char *counter)
{
    g_autofree char *path = g_strdup_printf("/objects/%s", wire);
    QDict *answer = qtest_qmp(m->qts, "{ 'execute': 'qom-get', 'arguments':"
                              "  { 'path': %s, 'property': %s } }", path,
                              counter);
    int64_t value = qdict_get_int(answer, "return");

    qobject_unref(answer);
    return value;
}
