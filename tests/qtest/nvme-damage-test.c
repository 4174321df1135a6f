/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A saved state of an NVMe controller that is damaged, or from a controller
 * with other properties, is refused with the name of what is wrong.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "nvme-machine.h"

static void test_other_properties_are_refused(void)
{
    Machine m;
    g_autofree char *args = NULL, *said = NULL;

    machine_start(&m, "", "");
    machine_save(&m);
    args = machine_args(&m, ",max_ioqpairs=7", "");
    said = saved_state_load_fails(args, m.state);
    g_assert_nonnull(strstr(said, "nvme0: cannot load the saved state: "
                                  "max_ioqpairs was 64 when it was saved and "
                                  "is 7 here"));
    machine_clean(&m);
}

/* The place in the state of I/O queue 1, known by its address. */
static uint8_t *find_queue(uint8_t *state, gsize len, uint64_t address)
{
    uint8_t key[8];
    uint8_t *place;

    stq_be_p(key, address);
    place = memmem(state, len, key, sizeof(key));
    g_assert_nonnull(place);
    return place;
}

/*
 * Sizes of a queue's fields before its address, counting back: size, tail,
 * head take four bytes each; see NvmeSqState.
 */
typedef struct Damage {
    const char *name;
    uint64_t address;           /* of the queue whose state is damaged */
    int back;                   /* bytes before the address */
    uint32_t value;
    int bytes;
    const char *said;
} Damage;

static const Damage damages[] = {
    { "sq-size", QNVME_SQ(1), 4, 0x10000000, 4, "submission queue 1: size" },
    { "sq-size-one", QNVME_SQ(1), 4, 1, 4, "submission queue 1: size 1" },
    { "sq-tail", QNVME_SQ(1), 8, 8, 4, "submission queue 1: head 1, tail 8" },
    { "sq-head", QNVME_SQ(1), 12, 999, 4, "submission queue 1: head 999" },
    { "sq-cqid", QNVME_SQ(1), 14, 5, 2, "completion queue 5 is not" },
    { "sq-cqid-admin", QNVME_SQ(1), 14, 0, 2, "completion queue 0 is not" },
    { "sq-sqid", QNVME_SQ(1), 16, 65, 2, "submission queue 65, expected" },
    { "sq-twice", QNVME_SQ(1), 16, 0, 2, "submission queue 0 stands there" },
    { "sq-address", QNVME_SQ(1), -7, 1, 1, "is not at the start of a page" },
    { "cq-size", QNVME_CQ(1), 4, 0, 4, "completion queue 1: size 0" },
    { "cq-tail", QNVME_CQ(1), 8, 8, 4, "completion queue 1: head 1, tail 8" },
    { "cq-head", QNVME_CQ(1), 12, 8, 4, "completion queue 1: head 8" },
    { "cq-phase", QNVME_CQ(1), 14, 2, 1, "phase 2" },
    { "cq-irq", QNVME_CQ(1), 15, 9, 1, "irq_enabled 9" },
    { "cq-vector", QNVME_CQ(1), 17, 65, 2, "vector 65" },
    { "cq-cqid", QNVME_CQ(1), 19, 0x4000, 2, "completion queue 16384" },
    { "sq-count", QNVME_SQ(0), 20, 0x7fffffff, 4, "nr_sqs" },
    { "cq-count", QNVME_CQ(0), 23, 0x80000000, 4, "nr_cqs" },
};

static void write_damage(const Damage *damage, uint8_t *place)
{
    switch (damage->bytes) {
    case 1:
        *(place - damage->back) = damage->value;
        break;
    case 2:
        stw_be_p(place - damage->back, damage->value);
        break;
    default:
        stl_be_p(place - damage->back, damage->value);
    }
}

/* Load what machine_save() saved, damaged; it must be refused. */
static void check_refusal(Machine *m, const char *state, gsize len,
                          const Damage *damage)
{
    g_autofree char *said = NULL;

    g_assert_true(g_file_set_contents(m->state, state, len, NULL));
    said = saved_state_load_fails(m->args, m->state);
    if (!strstr(said, damage->said)) {
        g_test_message("expected \"%s\", got:\n%s", damage->said, said);
        g_test_fail();
    }
    machine_clean(m);
}

static void test_damage_is_refused(const void *data)
{
    const Damage *damage = data;
    g_autofree char *state = NULL;
    Machine m;
    gsize len;

    machine_start(&m, "", "");
    qnvme_write(&m.nvme, 1, 0, 1);
    machine_save(&m);
    g_assert_true(g_file_get_contents(m.state, &state, &len, NULL));
    write_damage(damage, find_queue((uint8_t *)state, len, damage->address));
    check_refusal(&m, state, len, damage);
}

/* 256 zones: how many, then namespace 1, zone 0, explicitly open. */
static const uint8_t first_zone[] = {
    0, 0, 1, 0,  0, 0, 0, 1,  0, 0, 0, 0,  NVME_ZONE_STATE_EXPLICITLY_OPEN,
};

static const Damage zone_damages[] = {
    { "zone-count", 0, -3, 1, 1, "nr_zones is the namespaces' own" },
    { "zone-namespace", 0, -7, 2, 1, "zone 0 of namespace 2, expected each" },
    { "zone-index", 0, -8, 256, 4, "zone 256 of namespace 1, expected each" },
    /* The second zone; a record takes 26 bytes. */
    { "zone-twice", 0, -34, 0, 4, "zone 0 of namespace 1, expected each" },
    { "zone-state", 0, -12, 7, 1, "namespace 1, zone 0: state 0x7" },
    { "zone-wp", 0, -14, 0x80000000, 4, "namespace 1, zone 0: write pointers" },
};

static void test_zone_damage_is_refused(const void *data)
{
    const Damage *damage = data;
    NvmeCmd open = qnvme_io(NVME_CMD_ZONE_MGMT_SEND, 0);
    g_autofree char *state = NULL;
    uint8_t *place;
    Machine m;
    gsize len;

    open.cdw13 = cpu_to_le32(NVME_ZONE_ACTION_OPEN);
    machine_start(&m, "", ",zoned=on,zoned.zone_size=16K");
    qnvme_do(&m.nvme, 1, &open);
    machine_save(&m);
    g_assert_true(g_file_get_contents(m.state, &state, &len, NULL));
    place = memmem(state, len, first_zone, sizeof(first_zone));
    g_assert_nonnull(place);
    write_damage(damage, place);
    check_refusal(&m, state, len, damage);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nvme/other-properties-are-refused",
                   test_other_properties_are_refused);
    for (int i = 0; i < G_N_ELEMENTS(zone_damages); i++) {
        g_autofree char *path = g_strdup_printf("/nvme/damage/%s",
                                                zone_damages[i].name);

        qtest_add_data_func(path, &zone_damages[i],
                            test_zone_damage_is_refused);
    }
    for (int i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strdup_printf("/nvme/damage/%s",
                                                damages[i].name);

        qtest_add_data_func(path, &damages[i], test_damage_is_refused);
    }
    return g_test_run();
}
