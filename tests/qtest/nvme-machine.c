/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nvme-machine.h"

static char *make_image(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_CREAT | O_RDWR, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, NVME_IMAGE_BYTES), ==, 0);
    close(fd);
    return path;
}

char *machine_args(Machine *m, const char *controller, const char *ns)
{
    g_autofree char *one = make_image(m->dir, "one.img");
    g_autofree char *two = make_image(m->dir, "two.img");

    return g_strdup_printf(
        NVME_MACHINE "-drive if=none,id=d1,format=raw,file=%s "
        "-drive if=none,id=d2,format=raw,file=%s "
        "-device nvme,id=nvme0,serial=s,addr=4%s "
        "-device nvme-ns,drive=d1,nsid=1%s -device nvme-ns,drive=d2,nsid=2",
        one, two, controller, ns);
}

void machine_init(Machine *m, char *args)
{
    m->dir = g_dir_make_tmp("nvme-migrate-XXXXXX", NULL);
    g_assert_nonnull(m->dir);
    m->state = g_build_filename(m->dir, "state", NULL);
    m->args = args ?: machine_args(m, "", "");
}

void machine_start(Machine *m, const char *controller, const char *ns)
{
    machine_init(m, NULL);
    g_free(m->args);
    m->args = machine_args(m, controller, ns);
    qnvme_start(&m->nvme, qtest_init(m->args), NVME_DEVFN);
    qnvme_create_queue(&m->nvme, 1, 8);
}

void machine_save(Machine *m)
{
    saved_state_save(m->nvme.qts, m->state);
    qnvme_leave(&m->nvme);
    qtest_quit(m->nvme.qts);
}

void machine_move(Machine *m)
{
    machine_save(m);
    qnvme_adopt(&m->nvme, saved_state_load(m->args, m->state), NVME_DEVFN);
}

void machine_clean(Machine *m)
{
    static const char *const names[] = { "one.img", "two.img", "state" };

    for (int i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(m->dir, names[i], NULL);

        unlink(path);
    }
    g_assert_cmpint(rmdir(m->dir), ==, 0);
    g_free(m->dir);
    g_free(m->state);
    g_free(m->args);
}

void machine_end(Machine *m)
{
    qnvme_leave(&m->nvme);
    qtest_quit(m->nvme.qts);
    machine_clean(m);
}
