/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder balloon: a machine's balloon and its sweeps
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "balloon-text.h"
#include "deadline.h"
#include "description.h"
#include "json-member.h"
#include "verbs.h"
#include "watch.h"

#define QMP_TIMEOUT_MS  30000
#define PROGRESS_MS     200

/* What the emulator shows of the list at once, and how often we ask. */
#define MAP_PART        1000
#define MAP_PARTS_MAX   64

static const char balloon_text[] =
    "Without a word behind NAME, shows the balloon, its page-mapping list in\n"
    "short, and its latest sweep. \"set\" tells the guest to keep SIZE bytes\n"
    "of its memory (K, M, G or T behind the number) and to give the rest to\n"
    "the balloon. \"sweep\" starts a sweep and waits for its end. \"map\"\n"
    "shows the page-mapping list.\n"
    "\n"
    "  sunder balloon lab --watch\n"
    "  sunder balloon lab set 512M\n"
    "  sunder balloon lab sweep --mode super-pages --limit 256M\n"
    "  sunder balloon lab map\n"
    "\n"
    "Exit status: 1 if the emulator refused, or the sweep failed or was\n"
    "cancelled.\n";

typedef struct BalloonOptions {
    char *watch, *mode, *limit, *timeout;
    gboolean json;
} BalloonOptions;

static void balloon_options_clear(BalloonOptions *options)
{
    g_free(options->watch);
    g_free(options->mode);
    g_free(options->limit);
    g_free(options->timeout);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BalloonOptions, balloon_options_clear)

/* What is shown, by --watch again and again */
typedef struct BalloonView {
    const char *name;
    gboolean json;
    bool map;
} BalloonView;

/* What @command returns, a @type */
static JsonNode *balloon_query(Qmp *qmp, const char *command,
                               JsonObject *arguments, JsonNodeType type,
                               GError **error)
{
    g_autoptr(JsonNode) result = qmp_execute(qmp, command, arguments,
                                             QMP_TIMEOUT_MS, error);

    if (!result) {
        g_prefix_error(error, "%s: ", command);
        return NULL;
    }
    if (JSON_NODE_TYPE(result) != type) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "%s: the emulator answered in a form that is not its own",
                    command);
        return NULL;
    }
    return g_steal_pointer(&result);
}

static void take_element(JsonArray *array, guint i, JsonNode *element,
                         gpointer opaque)
{
    json_array_add_element(opaque, json_node_copy(element));
}

/* The page-mapping list, in parts; *@whole: to its end */
static JsonArray *balloon_query_map(Qmp *qmp, bool *whole, GError **error)
{
    g_autoptr(JsonArray) map = json_array_new();

    *whole = false;
    for (unsigned i = 0; i < MAP_PARTS_MAX && !*whole; i++) {
        g_autoptr(JsonObject) arguments = json_object_new();
        g_autoptr(JsonNode) part = NULL;
        JsonArray *entries;

        json_object_set_int_member(arguments, "start", i * MAP_PART);
        json_object_set_int_member(arguments, "limit", MAP_PART);
        part = balloon_query(qmp, "query-sunder-balloon-map", arguments,
                             JSON_NODE_ARRAY, error);
        if (!part) {
            return NULL;
        }
        entries = json_node_get_array(part);
        json_array_foreach_element(entries, take_element, map);
        *whole = json_array_get_length(entries) < MAP_PART;
    }
    return g_steal_pointer(&map);
}

static void balloon_print_json(FILE *out, JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);

    fprintf(out, "%s\n", text);
}

static bool balloon_show_map(FILE *out, const BalloonView *view, Qmp *qmp,
                             GError **error)
{
    bool whole;
    g_autoptr(JsonArray) map = balloon_query_map(qmp, &whole, error);
    g_autoptr(JsonNode) node = NULL;

    if (!map) {
        return false;
    }
    if (view->json) {
        node = json_node_init_array(json_node_alloc(), map);
        balloon_print_json(out, node);
    } else {
        balloon_print_map(out, map, whole);
    }
    return true;
}

static bool balloon_show_info(FILE *out, const BalloonView *view, Qmp *qmp,
                              GError **error)
{
    g_autoptr(JsonNode) info = balloon_query(qmp, "query-sunder-balloon",
                                             NULL, JSON_NODE_OBJECT, error);
    g_autoptr(JsonArray) map = NULL;
    bool whole;

    if (!info) {
        return false;
    }
    if (view->json) {
        balloon_print_json(out, info);
        return true;
    }
    map = balloon_query_map(qmp, &whole, error);
    if (!map) {
        return false;
    }
    balloon_print(out, json_node_get_object(info), map, whole);
    return true;
}

/* A WatchShow */
static int balloon_show(FILE *out, void *opaque)
{
    const BalloonView *view = opaque;
    int status = -1;
    g_autoptr(Machine) machine = verb_machine(view->name, &status);
    g_autoptr(GError) error = NULL;
    Qmp *qmp;

    if (!machine) {
        return status;
    }
    qmp = machine_qmp(machine, &error);
    if (!qmp || !(view->map ? balloon_show_map : balloon_show_info)(
            out, view, qmp, &error)) {
        return verb_fail(error);
    }
    return -1;
}

static int balloon_view(const char *name, bool map,
                        const BalloonOptions *options)
{
    BalloonView view = { .name = name, .json = options->json, .map = map };
    g_autoptr(GError) error = NULL;
    guint64 interval_ns;
    int status;

    if (options->watch) {
        return watch_parse(options->watch, &interval_ns, &error)
               ? watch_run(interval_ns, balloon_show, &view)
               : verb_fail(error);
    }
    status = balloon_show(stdout, &view);
    return status < 0 ? 0 : status;
}

static int balloon_set(const char *name, const char *size)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GError) error = NULL;
    guint64 bytes;
    int status = 0;

    if (!description_parse_size(size, &bytes, &error)) {
        return verb_fail(error);
    }
    json_object_set_int_member(arguments, "value", (gint64)bytes);
    result = verb_qmp_execute(name, "balloon", arguments, &status);
    return result ? 0 : status;
}

/* The sweep that an event tells of; NULL if it tells of none */
static JsonObject *event_sweep(JsonObject *event)
{
    return member_object(member_object(event, "data"), "sweep");
}

static bool is_sweep(JsonObject *sweep, gint64 id)
{
    return sweep && json_object_get_int_member_with_default(sweep, "id",
                                                            0) == id;
}

static bool is_end_of(JsonObject *event, void *opaque)
{
    const gint64 *id = opaque;

    return is_sweep(event_sweep(event), *id);
}

/* Draw over the line that was drawn before; on a terminal only */
static void sweep_progress(Qmp *qmp, gint64 id)
{
    g_autoptr(JsonNode) info = NULL;
    JsonObject *last;

    if (!isatty(STDERR_FILENO)) {
        return;
    }
    info = balloon_query(qmp, "query-sunder-balloon", NULL, JSON_NODE_OBJECT,
                         NULL);
    last = info ? member_object(json_node_get_object(info), "last") : NULL;
    if (is_sweep(last, id)) {
        fputs("\r\033[K", stderr);
        balloon_print_progress(stderr, last);
        fflush(stderr);
    }
}

/* The sweep as it ended; the caller unrefs it. */
static JsonObject *sweep_wait(Qmp *qmp, gint64 id, int timeout_ms,
                              GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    g_autoptr(JsonObject) event = NULL;

    while (!event) {
        int left = deadline_left(deadline);
        g_autoptr(GError) why = NULL;

        event = qmp_wait_event(qmp, "SUNDER_BALLOON_SWEPT", is_end_of, &id,
                               left < 0 ? PROGRESS_MS : MIN(left, PROGRESS_MS),
                               &why);
        if (!event && !g_error_matches(why, QMP_ERROR, QMP_ERROR_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
        if (!event && left == 0) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                        "sweep %" G_GINT64_FORMAT " has not ended within %g "
                        "s; it goes on: \"sunder balloon\" shows it", id,
                        timeout_ms / 1e3);
            return NULL;
        }
        if (!event) {
            sweep_progress(qmp, id);
        }
    }
    return json_object_ref(event_sweep(event));
}

/* A sweep may last: it takes the user's monitor, as "sunder qmp" does. */
static JsonObject *sweep_run(const char *name, JsonObject *arguments,
                             int timeout_ms, GError **error)
{
    g_autoptr(Machine) machine = machine_open(name, error);
    g_autofree char *path = machine ? machine_path(machine, MACHINE_QMP_USER)
                                    : NULL;
    g_autoptr(Qmp) qmp = machine ? qmp_connect(path, QMP_TIMEOUT_MS, error)
                                 : NULL;
    g_autoptr(JsonNode) begun = qmp
        ? balloon_query(qmp, "sunder-balloon-sweep", arguments,
                        JSON_NODE_OBJECT, error) : NULL;
    JsonObject *sweep;

    if (!begun) {
        return NULL;
    }
    sweep = sweep_wait(qmp, json_object_get_int_member_with_default(
                           json_node_get_object(begun), "id", 0), timeout_ms,
                       error);
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    return sweep;
}

static JsonObject *sweep_arguments(const BalloonOptions *options,
                                   GError **error)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    guint64 limit;

    if (options->mode) {
        json_object_set_string_member(arguments, "mode", options->mode);
    }
    if (options->limit) {
        if (!description_parse_size(options->limit, &limit, error)) {
            g_prefix_error(error, "--limit: ");
            return NULL;
        }
        json_object_set_int_member(arguments, "limit", (gint64)limit);
    }
    return g_steal_pointer(&arguments);
}

static int balloon_sweep(const char *name, const BalloonOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) arguments = sweep_arguments(options, &error);
    g_autoptr(JsonObject) sweep = NULL;
    g_autoptr(JsonNode) node = NULL;
    const char *state;
    int timeout_ms;

    if (!arguments || !verb_parse_timeout("--timeout", options->timeout,
                                          &timeout_ms, &error)) {
        return verb_fail(error);
    }
    sweep = sweep_run(name, arguments, timeout_ms, &error);
    if (!sweep) {
        return verb_fail(error);
    }
    if (options->json) {
        node = json_node_init_object(json_node_alloc(), sweep);
        balloon_print_json(stdout, node);
    } else {
        balloon_print_sweep(stdout, sweep, "");
    }
    state = member_string(sweep, "state");
    return !strcmp(state, "failed") || !strcmp(state, "cancelled")
           ? EXIT_REFUSED : 0;
}

static int balloon_parse(BalloonOptions *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "watch", 'w', 0, G_OPTION_ARG_STRING, &options->watch,
          "show it again and again, every second unless told otherwise",
          "[SECONDS]" },
        { "mode", 'm', 0, G_OPTION_ARG_STRING, &options->mode,
          "sweep: count, super-pages or all (default)", "MODE" },
        { "limit", 'l', 0, G_OPTION_ARG_STRING, &options->limit,
          "sweep: take at most SIZE bytes", "SIZE" },
        { "timeout", 't', 0, G_OPTION_ARG_STRING, &options->timeout,
          "sweep: wait for its end no longer", "S" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options->json,
          "print JSON", NULL },
        { NULL },
    };

    return verb_parse(argc, argv, "balloon [OPTION...] NAME [set SIZE | "
                      "sweep | map]", balloon_text, entries);
}

/* Why an option that was given does not go with @word; NULL: all do */
static const char *balloon_stray(const char *word,
                                 const BalloonOptions *options)
{
    bool sweep = !g_strcmp0(word, "sweep");

    if (!sweep && (options->mode || options->limit || options->timeout)) {
        return "--mode, --limit and --timeout are for \"sweep\"";
    }
    if (options->watch && word && strcmp(word, "map")) {
        return "--watch is for showing: NAME, or NAME map";
    }
    return NULL;
}

int verb_balloon(int argc, char **argv)
{
    g_auto(BalloonOptions) options = { 0 };
    const char *word, *stray;
    int status;

    watch_join_option(&argc, argv);
    status = balloon_parse(&options, &argc, &argv);
    if (status >= 0) {
        return status;
    }
    word = argc > 1 ? argv[1] : NULL;
    stray = balloon_stray(word, &options);
    if (stray) {
        return verb_usage("balloon", "%s", stray);
    }
    if (argc == 1 || (argc == 2 && !strcmp(word, "map"))) {
        return balloon_view(argv[0], word != NULL, &options);
    }
    if (argc == 2 && !strcmp(word, "sweep")) {
        return balloon_sweep(argv[0], &options);
    }
    if (argc == 3 && !strcmp(word, "set")) {
        return balloon_set(argv[0], argv[2]);
    }
    return verb_usage("balloon", "NAME expected, and \"set\" with SIZE, "
                      "\"sweep\", \"map\" or nothing behind it");
}
