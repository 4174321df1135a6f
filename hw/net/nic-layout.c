/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: which ports belong together, and properties of other forms
 */
#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "nic-layout.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor-impl.h"
#include "qemu/cutils.h"

/* --- layout ------------------------------------------------------------ */

/* A set of ports, a bit for each. */
typedef uint32_t Ports;

static void add_group(NicCard *card, Ports ports)
{
    NicGroup *group = &card->groups[card->n_groups++];

    for (unsigned i = 0; i < card->n_ports; i++) {
        if (ports & 1u << i) {
            group->ports[group->n_ports++] = &card->ports[i];
            card->ports[i].group = group;
        }
    }
}

static Ports ports_of(const NicGroup *group)
{
    Ports ports = 0;

    for (unsigned i = 0; i < group->n_ports; i++) {
        ports |= 1u << group->ports[i]->number;
    }
    return ports;
}

/* One more function, on these ports. */
static bool add_function(NicCard *card, Ports ports, Error **errp)
{
    unsigned i;

    if (card->n_functions == NIC_MAX_FUNCTIONS) {
        error_setg(errp, "%s: layout has more than %u functions", card->id,
                   NIC_MAX_FUNCTIONS);
        return false;
    }
    for (i = 0; i < card->n_groups; i++) {
        Ports other = ports_of(&card->groups[i]);

        if (other == ports) {
            break;
        }
        if (other & ports) {
            error_setg(errp, "%s: layout has port %d in two groups that "
                       "differ", card->id, ctz32(other & ports));
            return false;
        }
    }
    if (i == card->n_groups) {
        add_group(card, ports);
    }
    card->group_of[card->n_functions++] = &card->groups[i];
    return true;
}

static bool parse_group(NicCard *card, const char *text, Ports *ports,
                        Error **errp)
{
    g_auto(GStrv) numbers = g_strsplit(text, ",", 0);

    *ports = 0;
    for (unsigned i = 0; numbers[i]; i++) {
        unsigned number;

        if (qemu_strtoui(numbers[i], NULL, 10, &number) < 0) {
            error_setg(errp, "%s: layout is \"%s\"; give \"each\", \"all\", "
                       "or numbers of ports: \"0,1/2,3\"", card->id,
                       card->layout);
            return false;
        }
        if (number >= card->n_ports) {
            error_setg(errp, "%s: layout has port %u; there is none such "
                       "(0-%u)", card->id, number, card->n_ports - 1);
            return false;
        }
        *ports |= 1u << number;
    }
    return true;
}

static bool parse_groups(NicCard *card, Error **errp)
{
    g_auto(GStrv) groups = g_strsplit(card->layout, "/", 0);
    Ports ports, used = 0;

    for (unsigned i = 0; groups[i]; i++) {
        if (!parse_group(card, groups[i], &ports, errp) ||
            !add_function(card, ports, errp)) {
            return false;
        }
        used |= ports;
    }
    if (used != (1u << card->n_ports) - 1) {
        error_setg(errp, "%s: layout leaves port %d out; put it into a group "
                   "or leave it out of ports", card->id, cto32(used));
        return false;
    }
    return true;
}

bool nic_layout_parse(NicCard *card, Error **errp)
{
    Ports all = (1u << card->n_ports) - 1;

    card->n_functions = card->n_groups = 0;
    if (card->layout && strcmp(card->layout, "each") != 0) {
        return strcmp(card->layout, "all") == 0
               ? add_function(card, all, errp) : parse_groups(card, errp);
    }
    for (unsigned i = 0; i < card->n_ports; i++) {
        add_function(card, 1u << i, &error_abort);
    }
    return true;
}

/* --- ports: a list of ids, or a string with colons between them -------- */

static void get_ports(Object *obj, Visitor *v, const char *name,
                      void *opaque, Error **errp)
{
    char ***ids = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = *ids ? g_strjoinv(":", *ids) : g_strdup("");

    visit_type_str(v, name, &text, errp);
}

/* A visitor of strings knows no alternates. */
static bool is_list(Visitor *v, const char *name, bool *list, Error **errp)
{
    GenericAlternate *alternate = NULL;

    *list = false;
    if (!v->start_alternate) {
        return true;
    }
    if (!visit_start_alternate(v, name, &alternate, sizeof(*alternate),
                               errp)) {
        return false;
    }
    *list = alternate->type == QTYPE_QLIST;
    visit_end_alternate(v, (void **)&alternate);
    g_free(alternate);
    return true;
}

static char **strings_of(const strList *list)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new();

    for (; list; list = list->next) {
        g_ptr_array_add(strings, g_strdup(list->value));
    }
    g_ptr_array_add(strings, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&strings), FALSE);
}

static void set_ports(Object *obj, Visitor *v, const char *name,
                      void *opaque, Error **errp)
{
    char ***ids = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = NULL;
    strList *strings = NULL;
    bool list;

    if (!is_list(v, name, &list, errp)) {
        return;
    }
    if (list) {
        if (!visit_type_strList(v, name, &strings, errp)) {
            return;
        }
    } else if (!visit_type_str(v, name, &text, errp)) {
        return;
    }
    g_strfreev(*ids);
    *ids = list ? strings_of(strings) : g_strsplit(text, ":", 0);
    qapi_free_strList(strings);
}

static void release_ports(Object *obj, const char *name, void *opaque)
{
    char ***ids = object_field_prop_ptr(obj, opaque);

    g_clear_pointer(ids, g_strfreev);
}

const PropertyInfo nic_prop_ports = {
    .type = "str",
    .description = "ids of netdevs or sunder-nic-dgram objects, \"a:b:c\" or "
                   "a list",
    .get = get_ports,
    .set = set_ports,
    .release = release_ports,
};

/* --- a number with a fraction ------------------------------------------ */

static void get_number(Object *obj, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    visit_type_number(v, name, object_field_prop_ptr(obj, opaque), errp);
}

static void set_number(Object *obj, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    visit_type_number(v, name, object_field_prop_ptr(obj, opaque), errp);
}

const PropertyInfo nic_prop_threshold = {
    .type = "number",
    .description = "spread above which the policy is changed; 1 is even",
    .get = get_number,
    .set = set_number,
};

/* --- one of two words -------------------------------------------------- */

static void get_word(Object *obj, Visitor *v, const char *name,
                     void *opaque, const char *no, const char *yes,
                     Error **errp)
{
    bool *value = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = g_strdup(*value ? yes : no);

    visit_type_str(v, name, &text, errp);
}

static void set_word(Object *obj, Visitor *v, const char *name,
                     void *opaque, const char *no, const char *yes,
                     Error **errp)
{
    bool *value = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = NULL;

    if (!visit_type_str(v, name, &text, errp)) {
        return;
    }
    if (strcmp(text, yes) != 0 && strcmp(text, no) != 0) {
        error_setg(errp, "%s is \"%s\"; give %s or %s", name, text, no, yes);
        return;
    }
    *value = strcmp(text, yes) == 0;
}

static void get_rate(Object *obj, Visitor *v, const char *name,
                     void *opaque, Error **errp)
{
    get_word(obj, v, name, opaque, "slow", "fast", errp);
}

static void set_rate(Object *obj, Visitor *v, const char *name,
                     void *opaque, Error **errp)
{
    set_word(obj, v, name, opaque, "slow", "fast", errp);
}

const PropertyInfo nic_prop_lacp_rate = {
    .type = "str",
    .description = "slow or fast",
    .get = get_rate,
    .set = set_rate,
};

static void get_duplex(Object *obj, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    get_word(obj, v, name, opaque, "half", "full", errp);
}

static void set_duplex(Object *obj, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    set_word(obj, v, name, opaque, "half", "full", errp);
}

const PropertyInfo nic_prop_duplex = {
    .type = "str",
    .description = "half or full",
    .get = get_duplex,
    .set = set_duplex,
};
