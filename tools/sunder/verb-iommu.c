/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder iommu: a machine's IOMMU, the devices behind it, their stale DMAs
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json-member.h"
#include "verbs.h"
#include "watch.h"

static const char iommu_text[] =
    "Without a word behind NAME, shows the IOMMU and what each device behind\n"
    "it did.  \"mode\" chooses what happens to a stale DMA from now on:\n"
    "\n"
    "  stock     nothing is checked\n"
    "  report    it is served with the old page, as hardware would, and told\n"
    "  enforce   it is blocked and recorded as a VT-d fault\n"
    "  coherent  it is served with the new page\n"
    "\n"
    "  sunder iommu lab --watch 2\n"
    "  sunder iommu lab mode enforce --bounce on\n"
    "\n"
    "Columns: \"changed\" are translations that an invalidation dropped and\n"
    "whose page-table entry had changed before, of all that it dropped;\n"
    "\"longest\" and \"mean\" say for how long they could have been used.\n";

typedef struct IommuOptions {
    char *watch, *bounce;
    gboolean json;
    const char *name;
} IommuOptions;

static void iommu_options_clear(IommuOptions *options)
{
    g_free(options->watch);
    g_free(options->bounce);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IommuOptions, iommu_options_clear)

/* A time with three digits: "12.5 ms" */
static char *iommu_time(uint64_t ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {
        { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if ((double)ns >= units[i].ns) {
            double value = (double)ns / units[i].ns;

            return g_strdup_printf("%.*f %s", value < 10 ? 2 : value < 100,
                                   value, units[i].unit);
        }
    }
    return ns ? g_strdup_printf("%" PRIu64 " ns", ns) : g_strdup("-");
}

static void iommu_print_device(JsonObject *device, FILE *out)
{
    JsonObject *ledger = member_object(device, "ledger");
    g_autofree char *name = member_text(device, "device");
    unsigned id = (uint16_t)member_number(device, "requester-id");
    uint64_t changed = member_number(ledger, "stale-entries");
    g_autofree char *longest =
        iommu_time(member_number(ledger, "window-max-ns"));
    g_autofree char *mean =
        iommu_time(changed ? member_number(ledger, "window-total-ns") / changed
                           : 0);
    g_autofree char *share = g_strdup_printf(
        "%" PRIu64 "/%" PRIu64, changed, member_number(ledger, "entries"));

    /* Bus, device and function: PCI Local Bus 3.0, 3.2.2.3.2 */
    fprintf(out, "  %-20s %02x:%02x.%x %7" PRIu64 " %7" PRIu64 " %12" PRIu64
            " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %17s %8s %8s\n", name,
            id >> 8, id >> 3 & 0x1f, id & 7, member_number(device, "stale"),
            member_number(device, "blocked"),
            member_number(device, "translations"),
            member_number(device, "misses"),
            member_number(device, "revalidated"),
            member_number(device, "entries"), share, longest, mean);
}

static void iommu_print(JsonObject *iommu, FILE *out)
{
    g_autofree char *id = member_text(iommu, "id");
    g_autofree char *mode = member_text(iommu, "mode");
    JsonArray *devices = member_array(iommu, "devices");

    fprintf(out, "%s: mode %s, bounce %s, translation %s; %" PRIu64
            " invalidations, %" PRIu64 " lost, %" PRIu64 " pending\n", id,
            mode, member_bool(iommu, "bounce") ? "on" : "off",
            member_bool(iommu, "translating") ? "on" : "off",
            member_number(iommu, "invalidations"),
            member_number(iommu, "lost"), member_number(iommu, "pending"));
    if (!member_count(devices)) {
        fprintf(out, "  no device has used it yet\n");
        return;
    }
    /* What matters most within the first 80 columns */
    fprintf(out, "  %-20s %-7s %7s %7s %12s %9s %9s %7s %17s %8s %8s\n",
            "device", "", "stale", "blocked", "translations", "misses",
            "made anew", "entries", "changed/dropped", "longest", "mean");
    for (unsigned i = 0; i < member_count(devices); i++) {
        iommu_print_device(member_element(devices, i), out);
    }
}

static int iommu_show(FILE *out, void *opaque)
{
    const IommuOptions *options = opaque;
    g_autoptr(JsonNode) node = NULL;
    int status = 0;

    node = verb_qmp_execute(options->name, "query-sunder-iommu", NULL,
                            &status);
    if (!node) {
        return status;
    }
    if (options->json) {
        g_autofree char *text = json_to_string(node, TRUE);

        fprintf(out, "%s\n", text);
    } else if (JSON_NODE_HOLDS_OBJECT(node)) {
        iommu_print(json_node_get_object(node), out);
    }
    return -1;
}

static int iommu_watch(IommuOptions *options)
{
    g_autoptr(GError) error = NULL;
    guint64 interval_ns;

    if (!options->watch) {
        int status = iommu_show(stdout, options);

        return status < 0 ? 0 : status;
    }
    if (!watch_parse(options->watch, &interval_ns, &error)) {
        return verb_fail(error);
    }
    return watch_run(interval_ns, iommu_show, options);
}

static int iommu_set_mode(const IommuOptions *options, const char *mode)
{
    static const char *const modes[] = {
        "stock", "report", "enforce", "coherent", NULL,
    };
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) result = NULL;
    int status = 0;

    if (!g_strv_contains(modes, mode)) {
        return verb_usage("iommu", "mode \"%s\": expected stock, report, "
                          "enforce or coherent", mode);
    }
    json_object_set_string_member(arguments, "mode", mode);
    if (options->bounce) {
        if (strcmp(options->bounce, "on") && strcmp(options->bounce, "off")) {
            return verb_usage("iommu", "--bounce: \"%s\": expected on or off",
                              options->bounce);
        }
        json_object_set_boolean_member(arguments, "bounce",
                                       !strcmp(options->bounce, "on"));
    }
    result = verb_qmp_execute(options->name, "sunder-iommu-set-mode",
                              arguments, &status);
    return result ? 0 : status;
}

int verb_iommu(int argc, char **argv)
{
    g_auto(IommuOptions) options = { 0 };
    const GOptionEntry entries[] = {
        { "watch", 'w', 0, G_OPTION_ARG_STRING, &options.watch,
          "show it again every SECONDS (1) until Ctrl-C", "SECONDS" },
        { "bounce", 'b', 0, G_OPTION_ARG_STRING, &options.bounce,
          "with \"mode\": check memory that a device maps for longer when it "
          "is written back", "on|off" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json, "print JSON",
          NULL },
        { NULL },
    };
    int status;

    watch_join_option(&argc, argv);
    status = verb_parse(&argc, &argv, "iommu [OPTION...] NAME [mode MODE]",
                        iommu_text, entries);
    if (status >= 0) {
        return status;
    }
    options.name = argv[0];
    if (argc == 1 && !options.bounce) {
        return iommu_watch(&options);
    }
    if (argc == 3 && !strcmp(argv[1], "mode") && !options.watch &&
        !options.json) {
        return iommu_set_mode(&options, argv[2]);
    }
    return verb_usage("iommu", options.bounce && argc == 1
                      ? "--bounce goes with \"mode MODE\""
                      : "NAME, or NAME, \"mode\" and MODE expected");
}
