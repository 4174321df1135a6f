/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder run: start a machine, with its console, for one command, or detached
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "description.h"
#include "lab.h"
#include "run.h"
#include "snapshot.h"
#include "state.h"
#include "verbs.h"

/* A guest that has not answered by then is not going to. */
#define RUN_BOOT_TIMEOUT "120s"

static const char run_text[] =
    "Without --exec and --detach the guest's console is yours until the guest\n"
    "switches itself off or you type Ctrl-]; both end the machine.\n"
    "\n"
    "Exit status: that of the command with --exec; 255 the guest panicked,\n"
    "reset or switched itself off before it answered; 124 time-out; 77 this\n"
    "host lacks something; 125 Sunder or the emulator failed; 2 usage.\n"
    "\n"
    "A lab (netlab) is several machines: of lab NAME they are NAME-a, NAME-b\n"
    "and so on. Console and --exec are the first one's, or that of --on.\n"
    "\n"
    "What follows \"--\" goes to QEMU, e.g.  sunder run faultlab -- -s\n"
    "\"sunder list --machines\" shows the machines there are.\n";

/* As the command line gives them; freed by run_options_clear() */
typedef struct RunOptions {
    char *name, *kernel, *initrd, *append, *memory, *accel, *seed;
    char *timeout, *boot_timeout, *exec, *restore, *on;
    int cpus;
    gboolean icount, detach, wait, json, dry_run, no_input, verbose, keep;
    char **arguments;       /* behind "--"; not ours */
} RunOptions;

static void run_options_clear(RunOptions *options)
{
    char *const strings[] = {
        options->name, options->kernel, options->initrd, options->append,
        options->memory, options->accel, options->seed, options->timeout,
        options->boot_timeout, options->exec, options->restore, options->on,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(strings[i]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, run_options_clear)

static int run_parse(RunOptions *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "name", 'n', 0, G_OPTION_ARG_STRING, &options->name,
          "name while it runs (default: the machine's)", "NAME" },
        { "exec", 'e', 0, G_OPTION_ARG_STRING, &options->exec,
          "run CMD in the guest, return its exit status, end", "CMD" },
        { "on", 0, 0, G_OPTION_ARG_STRING, &options->on,
          "with a lab: whose console or --exec (default: the first)",
          "ROLE" },
        { "detach", 'd', 0, G_OPTION_ARG_NONE, &options->detach,
          "leave the machine running", NULL },
        { "wait", 'w', 0, G_OPTION_ARG_NONE, &options->wait,
          "with --detach: until the guest answers", NULL },
        { "restore", 'r', 0, G_OPTION_ARG_STRING, &options->restore,
          "start from a snapshot instead of booting", "SNAPSHOT" },
        { "kernel", 'k', 0, G_OPTION_ARG_STRING, &options->kernel,
          "bzImage or vmlinux, or a guest's version", "FILE|6.1|6.12" },
        { "initrd", 'i', 0, G_OPTION_ARG_STRING, &options->initrd,
          "initial RAM disk (default: the guest's)", "FILE" },
        { "append", 'a', 0, G_OPTION_ARG_STRING, &options->append,
          "added to the kernel's command line", "TEXT" },
        { "memory", 'm', 0, G_OPTION_ARG_STRING, &options->memory,
          "RAM, like 2G (default: the machine's)", "SIZE" },
        { "cpus", 'c', 0, G_OPTION_ARG_INT, &options->cpus,
          "virtual CPUs (default: the machine's)", "N" },
        { "accel", 0, 0, G_OPTION_ARG_STRING, &options->accel,
          "tcg, kvm or auto (the default)", "ACCEL" },
        { "seed", 's', 0, G_OPTION_ARG_STRING, &options->seed,
          "seed of random numbers, faults' included", "N" },
        { "icount", 0, 0, G_OPTION_ARG_NONE, &options->icount,
          "count instructions: repeatable, slower", NULL },
        { "timeout", 't', 0, G_OPTION_ARG_STRING, &options->timeout,
          "end after so long from the start", "S" },
        { "boot-timeout", 0, 0, G_OPTION_ARG_STRING, &options->boot_timeout,
          "limit until the guest answers (default 120s)", "S" },
        { "no-input", 0, 0, G_OPTION_ARG_NONE, &options->no_input,
          "with --exec: do not forward standard input", NULL },
        { "keep", 0, 0, G_OPTION_ARG_NONE, &options->keep,
          "keep the state directory with its logs", NULL },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options->json,
          "print the result as JSON", NULL },
        { "dry-run", 0, 0, G_OPTION_ARG_NONE, &options->dry_run,
          "print QEMU's command line and do nothing", NULL },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose,
          "say what is being done", NULL },
        { NULL },
    };

    return verb_parse(argc, argv, "run [OPTION...] MACHINE [-- QEMU-ARG...]",
                      run_text, entries);
}

/* Everything behind the first "--" is QEMU's, whatever it looks like. */
static char **run_split(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (!strcmp(argv[i], "--")) {
            argv[i] = NULL;
            *argc = i;
            return argv + i + 1;
        }
    }
    return NULL;
}

static bool run_fill_spec(MachineSpec *spec, const RunOptions *options,
                          GError **error)
{
    spec->kernel = g_strdup(options->kernel);
    spec->initrd = g_strdup(options->initrd);
    spec->append = g_strdup(options->append);
    spec->memory = g_strdup(options->memory);
    spec->cpus = (unsigned)MAX(options->cpus, 0);
    spec->icount = options->icount;
    spec->seeded = options->seed != NULL;
    spec->arguments = g_strdupv(options->arguments);
    if (options->memory) {
        guint64 bytes;

        if (!description_parse_size(options->memory, &bytes, error)) {
            g_prefix_error(error, "--memory: ");
            return false;
        }
    }
    return (!options->seed ||
            verb_parse_number(options->seed, &spec->seed, error)) &&
           (!options->accel ||
            machine_accel_parse(options->accel, &spec->accel, error));
}

/* The snapshot decides all but the name; say so rather than ignore. */
static MachineSpec *run_restored_spec(const char *machine,
                                      const RunOptions *options,
                                      GError **error)
{
    g_autoptr(MachineSpec) spec = snapshot_spec(options->restore, error);

    if (!spec) {
        return NULL;
    }
    if (machine && strcmp(machine, spec->machine)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_MISMATCH,
                    "snapshot %s: it is of machine %s, not %s",
                    options->restore, spec->machine, machine);
        return NULL;
    }
    if (options->kernel || options->initrd || options->append ||
        options->memory || options->cpus || options->accel ||
        options->seed || options->icount || options->arguments) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "--restore: kernel, memory and the like come from the "
                    "snapshot; only --name can differ");
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/* The machines to start, resolved */
static GPtrArray *run_specs(const char *machine, const RunOptions *options,
                            GError **error)
{
    g_autoptr(MachineSpec) spec = options->restore
        ? run_restored_spec(machine, options, error)
        : machine_spec_new(machine);
    g_autoptr(GPtrArray) specs = NULL;

    if (!spec || (!options->restore &&
                  !run_fill_spec(spec, options, error))) {
        return NULL;
    }
    if (options->name) {
        if (!state_name_valid(options->name, error)) {
            g_prefix_error(error, "--name: ");
            return NULL;
        }
        lab_rename(spec, options->name);
    }
    if (options->restore) {
        specs = g_ptr_array_new_with_free_func(
            (GDestroyNotify)machine_spec_free);
        g_ptr_array_add(specs, g_steal_pointer(&spec));
    } else {
        specs = lab_specs(spec, error);
    }
    for (guint i = 0; specs && i < specs->len; i++) {
        if (!machine_spec_resolve(specs->pdata[i], error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&specs);
}

static int run_dry_one(const MachineSpec *spec, bool restore)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = machine_state_root(&error);
    g_autofree char *directory = root ? g_build_filename(root, spec->name,
                                                         NULL) : NULL;
    g_auto(GStrv) argv = root ? machine_spec_argv(spec, directory, restore,
                                                  &error) : NULL;
    g_autofree char *line = argv ? machine_argv_quote(argv) : NULL;

    if (!line) {
        return verb_fail(error);
    }
    printf("%s\n", line);
    return 0;
}

static int run_dry(GPtrArray *specs, bool restore)
{
    int status = 0;

    for (guint i = 0; !status && i < specs->len; i++) {
        status = run_dry_one(specs->pdata[i], restore);
    }
    return status;
}

static void run_say(GPtrArray *specs)
{
    for (guint i = 0; i < specs->len; i++) {
        const MachineSpec *spec = specs->pdata[i];

        fprintf(stderr, "sunder: %s with kernel %s on %s\n", spec->name,
                spec->image, machine_accel_text(spec->accel));
    }
}

static bool run_plan(RunPlan *plan, const RunOptions *options,
                     GError **error)
{
    plan->command = options->exec;
    plan->on = options->on;
    plan->restore = options->restore;
    plan->detach = options->detach;
    plan->wait = options->wait;
    plan->json = options->json;
    plan->input = !options->no_input;
    plan->keep = options->keep;
    if (options->exec && options->detach) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "--exec and --detach exclude each other; use \"sunder "
                    "exec\" on the detached machine");
        return false;
    }
    return verb_parse_timeout("--timeout", options->timeout,
                              &plan->timeout_ms, error) &&
           verb_parse_timeout("--boot-timeout", options->boot_timeout
                              ? options->boot_timeout : RUN_BOOT_TIMEOUT,
                              &plan->boot_ms, error);
}

int verb_run(int argc, char **argv)
{
    g_auto(RunOptions) options = { .arguments = run_split(&argc, argv) };
    int status = run_parse(&options, &argc, &argv);
    g_autoptr(GPtrArray) specs = NULL;
    g_autoptr(GError) error = NULL;
    RunPlan plan = { 0 };

    if (status >= 0) {
        return status;
    }
    if (argc > 1 || (argc == 0 && !options.restore)) {
        return verb_usage("run", argc ? "%s: one MACHINE expected"
                          : "which MACHINE%s? \"sunder list --machines\" "
                          "shows them", argc ? argv[1] : "");
    }
    if (!run_plan(&plan, &options, &error) ||
        !(specs = run_specs(argv[0], &options, &error)) ||
        !run_chosen(specs, &plan, &error)) {
        return run_fail(&plan, NULL, error);
    }
    if (options.dry_run) {
        return run_dry(specs, options.restore != NULL);
    }
    if (options.verbose) {
        run_say(specs);
    }
    return run_machines(specs, &plan);
}
