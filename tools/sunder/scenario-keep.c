/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "scenario-keep.h"
#include "snapshot.h"

#define FAILED_PREFIX "failed-"

char *scenario_runs_root(void)
{
    return g_build_filename(g_get_user_state_dir(), "sunder", "runs", NULL);
}

/* Letters, digits and dashes of a name, for a directory. */
static char *slug(const char *name)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (const char *c = name; *c && text->len < 40; c++) {
        if (g_ascii_isalnum(*c)) {
            g_string_append_c(text, g_ascii_tolower(*c));
        } else if (text->len && text->str[text->len - 1] != '-') {
            g_string_append_c(text, '-');
        }
    }
    if (text->len && text->str[text->len - 1] == '-') {
        g_string_truncate(text, text->len - 1);
    }
    return g_string_free(g_steal_pointer(&text), false);
}

static char *kept_path(ScenarioRun *run, const char *file)
{
    return g_build_filename(run->directory, file, NULL);
}

static void remove_directory(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(path);
}

static void remove_run(const char *path)
{
    g_autofree char *file = g_build_filename(path, "snapshot", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents(file, &text, NULL, NULL)) {
        g_auto(GStrv) names = g_strsplit(text, "\n", -1);

        for (char **name = names; *name; name++) {
            snapshot_remove(*name, NULL);
        }
    }
    remove_directory(path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names begin with the time, so the oldest sort first. */
static void prune(const char *root)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(root, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_build_filename(root, name, NULL));
    }
    g_clear_pointer(&dir, g_dir_close);
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i + KEEP_RUNS < names->len; i++) {
        remove_run(names->pdata[i]);
    }
}

static void copy_scenario(ScenarioRun *run)
{
    g_autofree char *text = NULL;
    g_autofree char *path = kept_path(run, "scenario.yaml");
    gsize length;

    if (g_file_get_contents(run->scenario->path, &text, &length, NULL)) {
        g_file_set_contents(path, text, length, NULL);
    }
}

bool scenario_keep_begin(ScenarioRun *run, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%Y%m%d-%H%M%S");
    g_autofree char *name = slug(run->scenario->name);
    g_autofree char *leaf = g_strdup_printf("%s-%s-%d", time, name,
                                            (int)getpid());
    g_autofree char *root = run->options->output ?
                            g_strdup(run->options->output) :
                            scenario_runs_root();

    if (!run->options->output && !run->options->keep) {
        prune(root);
    }
    run->directory = g_build_filename(root, leaf, NULL);
    if (g_mkdir_with_parents(run->directory, 0700) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot make the directory of the run: %s",
                    run->directory, g_strerror(errno));
        return false;
    }
    copy_scenario(run);
    return true;
}

static void append_file(const char *path, const char *text, gssize length)
{
    FILE *file = fopen(path, "a");

    if (file) {
        fwrite(text, 1, length < 0 ? strlen(text) : (gsize)length, file);
        fclose(file);
    }
}

void scenario_keep_note(ScenarioRun *run, const char *text)
{
    g_autofree char *path = kept_path(run, "notes");

    append_file(path, text, -1);
}

void scenario_keep_command(ScenarioRun *run, const char *command,
                           const CommandResult *result)
{
    g_autofree char *path = kept_path(run, "commands.log");
    const char *role = run->guest->role ? run->guest->role : "";
    g_autofree char *text = result ?
        g_strdup_printf("%s$ %s\n%s%s[exit code %d]\n\n", role, command,
                        result->output->str, result->errors->str,
                        result->exit_code) :
        g_strdup_printf("%s$ %s\n[no exit code]\n\n", role, command);

    append_file(path, text, -1);
}

void scenario_keep_guest_logs(ScenarioRun *run, const ScenarioGuest *guest)
{
    static const char *const files[] = {
        MACHINE_CONSOLE_LOG, MACHINE_QEMU_LOG, MACHINE_QMP_LOG,
        MACHINE_CMDLINE, MACHINE_JSON,
    };

    for (size_t i = 0; guest->machine && i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from = machine_path(guest->machine, files[i]);
        g_autofree char *name = guest->role
            ? g_strdup_printf("%s-%s", guest->role, files[i])
            : g_strdup(files[i]);
        g_autofree char *to = kept_path(run, name);
        g_autofree char *text = NULL;
        gsize length;

        if (g_file_get_contents(from, &text, &length, NULL)) {
            append_file(to, text, length);
        }
    }
}

void scenario_keep_logs(ScenarioRun *run)
{
    for (guint i = 0; i < run->guests->len; i++) {
        scenario_keep_guest_logs(run, run->guests->pdata[i]);
    }
}

void scenario_keep_console(ScenarioRun *run)
{
    g_autofree char *path = machine_path(run->guest->machine,
                                         MACHINE_CONSOLE_LOG);
    g_autofree char *text = NULL;
    gsize length;

    if (g_file_get_contents(path, &text, &length, NULL)) {
        g_string_append(run->guest->console_before,
                        text + MIN(run->guest->console_start, length));
    }
}

/* Save @guest; the name of its snapshot, or NULL. */
static char *keep_guest_state(ScenarioRun *run, const ScenarioGuest *guest)
{
    g_autoptr(GError) fault = NULL;
    g_autofree char *leaf = g_path_get_basename(run->directory);
    /* The scenario's name would be too long; the time tells as much. */
    g_autofree char *name = g_strdup_printf(
        FAILED_PREFIX "%.15s-%d%s%s", leaf, (int)getpid(),
        guest->role ? "-" : "", guest->role ? guest->role : "");
    g_autofree char *line = g_strconcat(name, "\n", NULL);
    g_autofree char *path = kept_path(run, "snapshot");

    if (!guest->machine || machine_ending(guest->machine) != MACHINE_RUNNING) {
        return NULL;
    }
    /* The scenario's time may be over; saving has a time of its own. */
    machine_set_deadline(guest->machine, 60000);
    machine_set_cancel_fd(guest->machine, -1);
    machine_release_agent(guest->machine);
    if (!snapshot_save(guest->machine, name, &fault)) {
        g_autofree char *note = g_strdup_printf(
            "The failed machine could not be saved: %s\n", fault->message);
        scenario_keep_note(run, note);
        return NULL;
    }
    append_file(path, line, -1);
    return g_steal_pointer(&name);
}

void scenario_keep_state(ScenarioRun *run, ScenarioResult *result)
{
    g_autoptr(GString) command = g_string_new(NULL);

    for (guint i = 0; i < run->guests->len; i++) {
        g_autofree char *name = keep_guest_state(run, run->guests->pdata[i]);

        if (name) {
            g_string_append_printf(command, "%ssunder snap restore %s",
                                   command->len ? "; " : "", name);
        }
    }
    if (command->len) {
        result->command = g_strdup(command->str);
    }
}

static void write_readme(ScenarioRun *run, const ScenarioResult *result)
{
    g_autofree char *path = kept_path(run, "README");
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text,
        "%s: %s\n%s\n\nscenario  %s\nseed      %" G_GUINT64_FORMAT "\n",
        scenario_outcome_text(result->outcome), result->name,
        result->message ? result->message : "", result->file, run->seed);
    if (result->step) {
        g_string_append_printf(text, "step      %s:%u: %s\n", result->file,
                               result->line, result->step);
    }
    if (result->command) {
        g_string_append_printf(text, "enter     %s\n", result->command);
    }
    g_string_append_printf(text,
        "again     sunder scenario run --seed %" G_GUINT64_FORMAT " %s\n\n"
        "commands.log commands in the guest, their output and exit code\n"
        "console.log  what the guest printed\n"
        "qmp.log      every command to the emulator, its answer, events\n"
        "faults.log   each fault that fired\n"
        "cmdline      the emulator's command line\n"
        "result.json  this, for a program\n", run->seed, result->file);
    append_file(path, text->str, text->len);
}

void scenario_keep_end(ScenarioRun *run, ScenarioResult *result)
{
    bool failed = result->outcome != SCENARIO_PASS &&
                  result->outcome != SCENARIO_SKIP;
    g_autoptr(JsonNode) json = NULL;
    g_autofree char *text = NULL;
    g_autofree char *path = kept_path(run, "result.json");

    if (!failed && !run->options->keep) {
        remove_directory(run->directory);
        return;
    }
    result->kept = g_strdup(run->directory);
    json = scenario_result_to_json(result);
    text = json_to_string(json, true);
    append_file(path, text, -1);
    write_readme(run, result);
}
