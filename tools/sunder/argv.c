/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's command line
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "description.h"
#include "error.h"
#include "lab.h"
#include "machine.h"
#include "spec.h"
#include "unix-socket.h"

/* The agent's ports are AGENT_PORT_NAME, and the same with other numbers. */
#define AGENT_PORT_PREFIX "org.sunder.agent."
G_STATIC_ASSERT(sizeof(AGENT_PORT_NAME) == sizeof(AGENT_PORT_PREFIX "0"));

/* The longest name of a socket in a state directory, with its '/' */
#define ARGV_SOCKET_LONGEST (sizeof("/" MACHINE_QMP_USER) - 1)
G_STATIC_ASSERT(sizeof("/.wire") - 1 + DESCRIPTION_WIRE_MAX <=
                ARGV_SOCKET_LONGEST);

static void argv_add(GPtrArray *argv, const char *option, const char *value)
{
    g_ptr_array_add(argv, g_strdup(option));
    if (value) {
        g_ptr_array_add(argv, g_strdup(value));
    }
}

static G_GNUC_PRINTF(3, 4) void argv_addf(GPtrArray *argv, const char *option,
                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(argv, g_strdup(option));
    g_ptr_array_add(argv, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* In the value of an option of QEMU a comma is written twice. */
static char *argv_escape(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    return g_strjoinv(",,", parts);
}

static void argv_add_socket(GPtrArray *argv, const char *id,
                            const char *directory, const char *file,
                            const char *more)
{
    argv_addf(argv, "-chardev", "socket,id=%s,path=%s/%s,server=on,wait=off%s",
              id, directory, file, more);
}

static void argv_add_agent(GPtrArray *argv, const char *folder, unsigned port)
{
    g_autofree char *id = g_strdup_printf("sunder-agent%u", port);
    g_autofree char *file = g_strdup_printf(MACHINE_AGENT_PORT, port);

    argv_add_socket(argv, id, folder, file, "");
    argv_addf(argv, "-device", "virtserialport,bus=sunder-serial.0,"
              "chardev=%s,name=%s%u", id, AGENT_PORT_PREFIX, port);
}

static void argv_add_channels(GPtrArray *argv, const char *directory)
{
    g_autofree char *folder = argv_escape(directory);
    g_autofree char *log = g_strdup_printf(",logfile=%s/%s", folder,
                                           MACHINE_CONSOLE_LOG);
    static const char *const monitors[] = {
        MACHINE_QMP, MACHINE_QMP_RUN, MACHINE_QMP_USER,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(monitors); i++) {
        g_autofree char *id = g_strdup_printf("sunder-qmp%zu", i);

        argv_add_socket(argv, id, folder, monitors[i], "");
        argv_addf(argv, "-mon", "chardev=%s,mode=control", id);
    }
    argv_add_socket(argv, "sunder-console", folder, MACHINE_CONSOLE, log);
    argv_add(argv, "-serial", "chardev:sunder-console");
    argv_add(argv, "-device", "virtio-serial-pci,id=sunder-serial");
    for (unsigned port = 0; port < MACHINE_AGENT_PORTS; port++) {
        argv_add_agent(argv, folder, port);
    }
}

/*
 * Whether files in @directory can be opened with O_DIRECT: tmpfs only has it
 * since Linux 6.6. A directory that is not there yet will be like its parent.
 */
static bool argv_direct_works(const char *directory)
{
    g_autofree char *parent = g_path_get_dirname(directory);
    int flags = O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC;
    int fd = open(directory, flags, 0600);

    if (fd < 0 && errno == ENOENT) {
        fd = open(parent, flags, 0600);
    }
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void argv_add_disks(GPtrArray *argv, const Description *description,
                           const MachineSpec *spec, const char *directory)
{
    g_autofree char *folder = argv_escape(directory);

    for (guint i = 0; i < description->disks->len; i++) {
        DescriptionDisk *disk = g_ptr_array_index(description->disks, i);

        argv_addf(argv, "-blockdev", "driver=raw,node-name=%s,discard=unmap,"
                  "file.driver=file,file.filename=%s/%s.disk%s", disk->node,
                  folder, disk->node,
                  disk->direct && argv_direct_works(directory)
                  ? ",cache.direct=on,file.cache.direct=on" : "");
    }
    if (spec->root) {
        g_autofree char *root = argv_escape(spec->root);

        argv_addf(argv, "-blockdev", "driver=raw,node-name=sunder-root,"
                  "read-only=on,file.driver=file,file.filename=%s", root);
        argv_add(argv, "-device", "virtio-blk-pci,drive=sunder-root,"
                 "serial=sunder-root");
    }
}

/* One end of a wire; a machine in no lab sends to where nobody listens. */
static bool argv_add_wire(GPtrArray *argv, const DescriptionWire *wire,
                          const MachineSpec *spec, const char *directory,
                          GError **error)
{
    g_autofree char *root = g_path_get_dirname(directory);
    g_autoptr(GError) fault = NULL;
    g_autofree char *peer = lab_peer(spec, wire->id, &fault);
    g_autofree char *there = peer ? g_build_filename(root, peer, NULL)
                                  : g_build_filename(directory, "none", NULL);
    g_autofree char *near = argv_escape(directory);
    g_autofree char *far = argv_escape(there);

    if (fault) {
        g_propagate_error(error, g_steal_pointer(&fault));
        return false;
    }
    if (wire->burst) {
        argv_addf(argv, "-object", "sunder-nic-dgram,id=%s,"
                  "local=unix:%s/%s.wire,remote=unix:%s/%s.wire", wire->id,
                  near, wire->id, far, wire->id);
    } else {
        argv_addf(argv, "-netdev", "dgram,id=%s,local.type=unix,"
                  "local.path=%s/%s.wire,remote.type=unix,"
                  "remote.path=%s/%s.wire", wire->id, near, wire->id, far,
                  wire->id);
    }
    return true;
}

static bool argv_add_wires(GPtrArray *argv, const Description *description,
                           const MachineSpec *spec, const char *directory,
                           GError **error)
{
    for (guint i = 0; i < description->wires->len; i++) {
        if (!argv_add_wire(argv, description->wires->pdata[i], spec,
                           directory, error)) {
            return false;
        }
    }
    return true;
}

static void argv_add_processor(GPtrArray *argv, const MachineSpec *spec)
{
    if (spec->accel == MACHINE_ACCEL_KVM) {
        argv_add(argv, "-accel", "kvm");
        argv_add(argv, "-cpu", "host");
    } else {
        /* Counted instructions run on one thread by their nature. */
        argv_add(argv, "-accel", spec->icount ? "tcg,thread=single"
                                              : "tcg,thread=multi");
        argv_add(argv, "-cpu", "max");
    }
    if (spec->icount) {
        argv_add(argv, "-icount", "shift=1,sleep=off");
        argv_add(argv, "-rtc", "base=2024-01-01T00:00:00,clock=vm");
    }
    if (spec->seeded) {
        argv_addf(argv, "-seed", "%" G_GUINT64_FORMAT, spec->seed);
        argv_addf(argv, "-device", "sunder-fault,seed=%" G_GUINT64_FORMAT,
                  spec->seed);
    }
    if (spec->memory) {
        argv_add(argv, "-m", spec->memory);
    }
    if (spec->cpus) {
        argv_addf(argv, "-smp", "%u", spec->cpus);
    }
}

static bool argv_directory_fits(const char *directory, GError **error)
{
    size_t length = strlen(directory) + ARGV_SOCKET_LONGEST;

    if (length <= UNIX_SOCKET_PATH_MAX) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "state directory %s: %zu bytes too long for the Unix sockets "
                "in it; choose a shorter --name, or a shorter "
                "XDG_RUNTIME_DIR", directory, length - UNIX_SOCKET_PATH_MAX);
    return false;
}

char **machine_spec_argv(const MachineSpec *spec, const char *directory,
                         bool incoming, GError **error)
{
    g_autoptr(Description) description = NULL;
    GPtrArray *argv;

    if (!argv_directory_fits(directory, error) ||
        !(description = description_load(spec->description, error))) {
        return NULL;
    }
    argv = g_ptr_array_new();
    argv_add(argv, spec->emulator, NULL);
    argv_add(argv, "-name", spec->name);
    argv_add(argv, "-nodefaults", NULL);
    argv_add(argv, "-no-user-config", NULL);
    argv_add(argv, "-no-reboot", NULL);
    argv_add(argv, "-display", "none");
    argv_add(argv, "-readconfig", spec->description);
    argv_add_processor(argv, spec);
    argv_add(argv, "-kernel", spec->image);
    argv_add(argv, "-initrd", spec->ramdisk);
    argv_add(argv, "-append", spec->command_line);
    argv_add_disks(argv, description, spec, directory);
    if (!argv_add_wires(argv, description, spec, directory, error)) {
        g_ptr_array_set_free_func(argv, g_free);
        g_ptr_array_unref(argv);
        return NULL;
    }
    argv_add_channels(argv, directory);
    if (incoming) {
        argv_add(argv, "-incoming", "defer");
    }
    for (char **at = spec->arguments; at && *at; at++) {
        argv_add(argv, *at, NULL);
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}

char *machine_argv_quote(char *const *argv)
{
    GString *line = g_string_new(NULL);

    for (; *argv; argv++) {
        static const char plain[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS
                                    "-_./=,:+@%";

        if (line->len) {
            g_string_append_c(line, ' ');
        }
        if (**argv && strspn(*argv, plain) == strlen(*argv)) {
            g_string_append(line, *argv);
        } else {
            g_autofree char *quoted = g_shell_quote(*argv);

            g_string_append(line, quoted);
        }
    }
    return g_string_free(line, FALSE);
}
