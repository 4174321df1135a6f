/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with a stock guest, see machine.h
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>

#include "agent/protocol.h"
#include "machine.h"

/* The guest's initrd with the agent behind it, as the command line does. */
static char *make_initrd(const char *folder, const char *guest,
                         const char *agent_cpio)
{
    g_autofree char *initrd = g_build_filename(guest, "initrd", NULL);
    char *joined = g_build_filename(folder, "initrd", NULL);
    g_autofree char *base = NULL;
    g_autofree char *extra = NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gsize base_size, extra_size;

    g_assert_true(g_file_get_contents(initrd, &base, &base_size, NULL));
    g_assert_true(g_file_get_contents(agent_cpio, &extra, &extra_size, NULL));
    g_byte_array_append(bytes, (guint8 *)base, (guint)base_size);
    g_byte_array_append(bytes, (guint8 *)extra, (guint)extra_size);
    g_assert_true(g_file_set_contents(joined, (char *)bytes->data,
                                      bytes->len, NULL));
    return joined;
}

/* A test that fails aborts; its machine must not stay behind. */
static void die_with_the_test(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *start(const Machine *machine, const char *emulator,
                          const char *guest, const char *agent_cpio)
{
    g_autofree char *kernel = g_build_filename(guest, "vmlinux", NULL);
    g_autofree char *append_file = g_build_filename(guest, "append", NULL);
    g_autofree char *initrd = make_initrd(machine->folder, guest,
                                             agent_cpio);
    g_autofree char *append = NULL;
    g_autofree char *serial = g_strdup_printf("file:%s/console",
                                              machine->folder);
    g_autofree char *drive = g_strdup_printf(
        "if=none,id=root,format=raw,readonly=on,file=%s/root.squashfs", guest);
    g_autofree char *chardev = g_strdup_printf(
        "socket,id=agent,path=%s,server=on,wait=off",
        machine->agent_socket);
    g_autofree char *other = g_strdup_printf(
        "socket,id=other,path=%s,server=on,wait=off",
        machine->other_socket);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_assert_true(g_file_get_contents(append_file, &append, NULL, NULL));
    g_subprocess_launcher_set_child_setup(launcher, die_with_the_test, NULL,
                                          NULL);
    process = g_subprocess_launcher_spawn(
        launcher, &error, emulator,
        "-M", "q35,hpet=off", "-accel", "tcg", "-cpu", "max", "-smp", "2",
        "-m", "1G", "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", kernel, "-initrd", initrd, "-append", g_strchomp(append),
        "-serial", serial, "-drive", drive,
        "-device", "virtio-blk-pci,drive=root,serial=sunder-root,romfile=",
        "-device", "virtio-serial-pci,romfile=", "-chardev", chardev,
        "-device", "virtserialport,chardev=agent,name=" AGENT_PORT_NAME,
        "-chardev", other, "-device",
        "virtserialport,chardev=other,name=" AGENT_PORT_PREFIX "7", NULL);
    g_assert_no_error(error);
    return process;
}

Machine *machine_start(const char *emulator, const char *guest,
                       const char *agent_cpio)
{
    Machine *machine = g_new0(Machine, 1);

    machine->folder = g_dir_make_tmp("sunder-agent-XXXXXX", NULL);
    machine->agent_socket = g_build_filename(machine->folder, "agent", NULL);
    machine->other_socket = g_build_filename(machine->folder, "other", NULL);
    machine->process = start(machine, emulator, guest, agent_cpio);
    return machine;
}

gboolean machine_has_ended(Machine *machine)
{
    while (g_main_context_iteration(NULL, FALSE)) {
        /* GLib learns of the end of a child from its main loop. */
    }
    return !g_subprocess_get_identifier(machine->process);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {
        "initrd", "console", "agent", "other",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);

        g_unlink(path);
    }
    g_rmdir(folder);
}

void machine_free(Machine *machine)
{
    g_subprocess_force_exit(machine->process);
    g_object_unref(machine->process);
    remove_folder(machine->folder);
    g_free(machine->folder);
    g_free(machine->agent_socket);
    g_free(machine->other_socket);
    g_free(machine);
}
