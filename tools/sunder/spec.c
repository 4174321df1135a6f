/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine is to be: its JSON form, and finding what it names
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "description.h"
#include "error.h"
#include "kernel.h"
#include "paths.h"
#include "ramdisk.h"
#include "spec.h"

#define SPEC_GUEST_DEFAULT "6.1"

/* What a kernel needs to be of use here, when no guest says more. */
#define SPEC_APPEND_DEFAULT "console=ttyS0 panic=-1"

MachineSpec *machine_spec_new(const char *machine)
{
    MachineSpec *spec = g_new0(MachineSpec, 1);

    spec->machine = g_strdup(machine);
    return spec;
}

/* The strings of a spec and their names in JSON. */
static const struct {
    const char *name;
    size_t offset;
} spec_strings[] = {
    { "machine", G_STRUCT_OFFSET(MachineSpec, machine) },
    { "name", G_STRUCT_OFFSET(MachineSpec, name) },
    { "kernel", G_STRUCT_OFFSET(MachineSpec, kernel) },
    { "initrd", G_STRUCT_OFFSET(MachineSpec, initrd) },
    { "append", G_STRUCT_OFFSET(MachineSpec, append) },
    { "memory", G_STRUCT_OFFSET(MachineSpec, memory) },
    { "lab", G_STRUCT_OFFSET(MachineSpec, lab) },
    { "role", G_STRUCT_OFFSET(MachineSpec, role) },
    { "lab-description", G_STRUCT_OFFSET(MachineSpec, lab_description) },
    { "description", G_STRUCT_OFFSET(MachineSpec, description) },
    { "emulator", G_STRUCT_OFFSET(MachineSpec, emulator) },
    { "image", G_STRUCT_OFFSET(MachineSpec, image) },
    { "ramdisk", G_STRUCT_OFFSET(MachineSpec, ramdisk) },
    { "root", G_STRUCT_OFFSET(MachineSpec, root) },
    { "command-line", G_STRUCT_OFFSET(MachineSpec, command_line) },
};

static char **spec_string(const MachineSpec *spec, size_t i)
{
    return (char **)G_STRUCT_MEMBER_P(spec, spec_strings[i].offset);
}

MachineSpec *machine_spec_copy(const MachineSpec *spec)
{
    MachineSpec *copy = g_memdup2(spec, sizeof(*spec));

    for (size_t i = 0; i < G_N_ELEMENTS(spec_strings); i++) {
        *spec_string(copy, i) = g_strdup(*spec_string(spec, i));
    }
    copy->arguments = g_strdupv(spec->arguments);
    return copy;
}

void machine_spec_free(MachineSpec *spec)
{
    if (!spec) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(spec_strings); i++) {
        g_free(*spec_string(spec, i));
    }
    g_strfreev(spec->arguments);
    g_free(spec);
}

static const char *const spec_accels[] = {
    [MACHINE_ACCEL_AUTO] = "auto",
    [MACHINE_ACCEL_TCG] = "tcg",
    [MACHINE_ACCEL_KVM] = "kvm",
};

bool machine_accel_parse(const char *text, MachineAccel *accel,
                         GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(spec_accels); i++) {
        if (!strcmp(text, spec_accels[i])) {
            *accel = (MachineAccel)i;
            return true;
        }
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "accelerator \"%s\": expected tcg, kvm or auto", text);
    return false;
}

const char *machine_accel_text(MachineAccel accel)
{
    return spec_accels[accel];
}

JsonNode *machine_spec_to_json(const MachineSpec *spec)
{
    JsonObject *object = json_object_new();
    JsonArray *arguments = json_array_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    for (size_t i = 0; i < G_N_ELEMENTS(spec_strings); i++) {
        if (*spec_string(spec, i)) {
            json_object_set_string_member(object, spec_strings[i].name,
                                          *spec_string(spec, i));
        }
    }
    json_object_set_int_member(object, "cpus", spec->cpus);
    json_object_set_string_member(object, "accel", spec_accels[spec->accel]);
    json_object_set_boolean_member(object, "icount", spec->icount);
    if (spec->seeded) {
        json_object_set_int_member(object, "seed", (gint64)spec->seed);
    }
    for (char **at = spec->arguments; at && *at; at++) {
        json_array_add_string_element(arguments, *at);
    }
    json_object_set_array_member(object, "arguments", arguments);
    json_node_take_object(node, object);
    return node;
}

static char **spec_arguments_from_json(JsonObject *object)
{
    JsonNode *node = json_object_get_member(object, "arguments");
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node)
                       ? json_node_get_array(node) : NULL;
    guint length = array ? json_array_get_length(array) : 0;
    char **arguments = g_new0(char *, length + 1);

    for (guint i = 0; i < length; i++) {
        arguments[i] = g_strdup(json_array_get_string_element(array, i));
    }
    return arguments;
}

MachineSpec *machine_spec_from_json(JsonNode *node, GError **error)
{
    g_autoptr(MachineSpec) spec = machine_spec_new(NULL);
    JsonObject *object;

    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "a machine's spec is no JSON object");
        return NULL;
    }
    object = json_node_get_object(node);
    for (size_t i = 0; i < G_N_ELEMENTS(spec_strings); i++) {
        g_free(*spec_string(spec, i));
        *spec_string(spec, i) = g_strdup(
            json_object_get_string_member_with_default(
                object, spec_strings[i].name, NULL));
    }
    spec->cpus = (unsigned)json_object_get_int_member_with_default(
        object, "cpus", 0);
    spec->icount = json_object_get_boolean_member_with_default(
        object, "icount", FALSE);
    spec->seeded = json_object_has_member(object, "seed");
    spec->seed = (guint64)json_object_get_int_member_with_default(
        object, "seed", 0);
    spec->arguments = spec_arguments_from_json(object);
    if (!spec->machine ||
        !machine_accel_parse(json_object_get_string_member_with_default(
                                 object, "accel", "auto"),
                             &spec->accel, error)) {
        g_prefix_error(error, "a machine's spec is not complete: ");
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/* Folder of the guest @version (a name without '/'), if it has been made. */
static char *spec_guest_folder(const char *version)
{
    g_autofree char *guests = paths_cache("guests");
    g_autofree char *folder = g_build_filename(guests, version, NULL);
    g_autofree char *kernel = g_build_filename(folder, "vmlinux", NULL);

    return g_file_test(kernel, G_FILE_TEST_EXISTS) ? g_steal_pointer(&folder)
                                                   : NULL;
}

static bool spec_need_guest(const char *folder, const char *version,
                            GError **error)
{
    if (!folder) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_SKIPPED,
                    "guest %s has not been made on this host: run "
                    "\"scripts/guest --kernel %s\", or give --kernel and "
                    "--initrd files of your own", version, version);
    }
    return folder != NULL;
}

static bool spec_is_version(const char *kernel)
{
    return !strchr(kernel, '/') && g_ascii_isdigit(*kernel) &&
           strspn(kernel, G_CSET_DIGITS ".") == strlen(kernel);
}

static bool spec_resolve_kernel(MachineSpec *spec, const char *folder,
                                const char *version, GError **error)
{
    g_autofree char *path = NULL;

    if (spec->kernel && !spec_is_version(spec->kernel)) {
        path = g_canonicalize_filename(spec->kernel, NULL);
    } else if (spec_need_guest(folder, version, error)) {
        path = g_build_filename(folder, "vmlinux", NULL);
    }
    spec->image = path ? kernel_prepare(path, error) : NULL;
    return spec->image != NULL;
}

/* The kernel's command line: ours or the guest's, then the user's. */
static void spec_resolve_command_line(MachineSpec *spec, const char *folder)
{
    g_autofree char *file = folder ? g_build_filename(folder, "append", NULL)
                                   : NULL;
    g_autofree char *ours = NULL;

    if (!file || !g_file_get_contents(file, &ours, NULL, NULL)) {
        ours = g_strdup(SPEC_APPEND_DEFAULT);
    }
    g_strstrip(ours);
    spec->command_line = spec->append
        ? g_strdup_printf("%s %s", ours, spec->append) : g_strdup(ours);
}

static bool spec_resolve_guest(MachineSpec *spec, GError **error)
{
    const char *version = spec->kernel && spec_is_version(spec->kernel)
                          ? spec->kernel : SPEC_GUEST_DEFAULT;
    g_autofree char *folder = spec_guest_folder(version);
    g_autofree char *initrd = NULL;

    if (!spec_resolve_kernel(spec, folder, version, error)) {
        return false;
    }
    if (spec->initrd) {
        initrd = g_canonicalize_filename(spec->initrd, NULL);
    } else if (spec_need_guest(folder, version, error)) {
        initrd = g_build_filename(folder, "initrd", NULL);
        spec->root = g_build_filename(folder, "root.squashfs", NULL);
        if (!g_file_test(spec->root, G_FILE_TEST_IS_REGULAR)) {
            g_clear_pointer(&spec->root, g_free);
        }
    } else {
        return false;
    }
    spec->ramdisk = ramdisk_prepare(initrd, error);
    spec_resolve_command_line(spec, folder);
    return spec->ramdisk != NULL;
}

static bool spec_resolve_emulator(MachineSpec *spec, GError **error)
{
    spec->emulator = paths_emulator();
    if (access(spec->emulator, X_OK) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_SKIPPED,
                    "the emulator %s has not been built: run \"meson compile "
                    "-C build\", or set SUNDER_QEMU", spec->emulator);
        return false;
    }
    return true;
}

static bool spec_resolve_accel(MachineSpec *spec, GError **error)
{
    const char *why;
    bool usable = machine_kvm_usable(&why);

    if (spec->icount && spec->accel == MACHINE_ACCEL_KVM) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "counting instructions needs TCG; leave --accel kvm out");
        return false;
    }
    if (spec->accel == MACHINE_ACCEL_KVM && !usable) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_SKIPPED,
                    "KVM cannot be used here: %s; --accel auto takes TCG "
                    "instead", why);
        return false;
    }
    if (spec->accel == MACHINE_ACCEL_AUTO) {
        spec->accel = usable && !spec->icount ? MACHINE_ACCEL_KVM
                                              : MACHINE_ACCEL_TCG;
    }
    return true;
}

bool machine_spec_resolve(MachineSpec *spec, GError **error)
{
    g_autoptr(Description) description = NULL;

    if (spec->command_line) {
        return true;    /* the last to be set */
    }
    description = description_load(spec->machine, error);
    if (!description) {
        return false;
    }
    if (description->machines->len) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: a lab of several machines where one is expected",
                    spec->machine);
        return false;
    }
    g_free(spec->description);
    spec->description = g_strdup(description->path);
    if (!spec->name) {
        spec->name = g_strdup(description->name);
    }
    return spec_resolve_accel(spec, error) &&
           spec_resolve_emulator(spec, error) &&
           spec_resolve_guest(spec, error);
}

bool machine_kvm_usable(const char **why)
{
    g_autofree char *text = NULL;
    int fd;

    /*
     * Nested hosts exist that have /dev/kvm but no hardware behind it; a
     * stock kernel hangs there. The processor's flags tell.
     */
    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) ||
        !g_regex_match_simple("^flags\\s*:.*\\b(vmx|svm)\\b", text,
                              G_REGEX_MULTILINE, 0)) {
        *why = "the processor offers neither vmx nor svm";
        return false;
    }
    fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        *why = "/dev/kvm cannot be opened (is the module loaded, are you in "
               "group kvm?)";
        return false;
    }
    close(fd);
    *why = NULL;
    return true;
}
