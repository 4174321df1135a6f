/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late DMA by chance: a driver that maps, unmaps, remaps and invalidates in
 * any order while the device does DMA at once, later, and through pointers
 * that it holds.  A reference model (iommu-model.h) says of each DMA whether
 * it is stale and where it goes: every stale one must be found, and no other.
 *
 * Then the same schedule with a driver that waits for the device and
 * invalidates before it goes on: nothing may be found.
 *
 * SUNDER_SEED in the environment picks one seed, SUNDER_SEEDS how many.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"
#include "iommu-model.h"

#define N_SEEDS         36
#define STEPS           300
#define N_FRAMES        24
#define BYTES           16u
#define DELAYED_MAX     20      /* ms */

/* Slot 0 is the machine driver's own. */
#define FIRST_SLOT      1
#define N_SLOTS         6

typedef enum Work { IDLE, DELAYED, HELD } Work;

typedef struct Slot {
    Work work;
    bool write;
    unsigned page;
    uint64_t due_ns;
    uint64_t value;             /* that it writes */
    int then;                   /* HELD: frame when it was mapped */
    bool touched;
} Slot;

/* Stale DMAs of each flavour */
typedef struct Found {
    unsigned immediate, delayed, held;
} Found;

typedef struct Run {
    IommuMachine *m;
    GRand *rand;
    Model model;
    bool correct;               /* the driver */
    Slot slots[N_SLOTS];
    uint64_t frames[N_FRAMES];  /* what is in their first bytes */
    uint64_t now_ns;
    uint64_t next_value;
    int64_t stale;              /* counted by the emulator so far */
    Found found;
} Run;

static unsigned below(Run *r, unsigned limit)
{
    return g_rand_int_range(r->rand, 0, limit);
}

static uint64_t page_iova(unsigned page)
{
    return IOVA + page * PAGE_4K;
}

static uint64_t frame_address(int frame)
{
    return DATA + frame * PAGE_4K;
}

static uint64_t new_value(Run *r)
{
    return ++r->next_value * UINT64_C(0x0001000100010001);
}

/* Compares what the emulator has found with what it should have. */
static void expect_found(Run *r, bool stale, unsigned *flavour)
{
    int64_t counted = device_counter(r->m, "dma0", "stale");

    g_assert_cmpint(counted > r->stale, ==, stale);
    r->stale = counted;
    *flavour += stale;
}

static void expect_write(Run *r, ModelUse use, uint64_t value)
{
    if (use.frame != NONE) {
        r->frames[use.frame] = value;
        g_assert_cmphex(qtest_readq(r->m->qts, frame_address(use.frame)), ==,
                        value);
    }
}

static void expect_frames(Run *r)
{
    for (unsigned i = 0; i < N_FRAMES; i++) {
        g_assert_cmphex(qtest_readq(r->m->qts, frame_address(i)), ==,
                        r->frames[i]);
    }
}

static void expect_result(Run *r, unsigned i, int frame)
{
    g_assert_cmpuint(tester_get(r->m, i + FIRST_SLOT, SDT_RESULT), ==,
                     frame == NONE ? SDT_RESULT_REFUSED : SDT_RESULT_OK);
}

static void prepare(Run *r, unsigned i, unsigned page, uint64_t delay_ns)
{
    unsigned slot = i + FIRST_SLOT;

    r->slots[i].page = page;
    r->slots[i].value = new_value(r);
    r->slots[i].write = below(r, 2);
    tester_prepare(r->m, slot, page_iova(page), BYTES, delay_ns);
    tester_set(r->m, slot, SDT_OFFSET, slot * PAGE_4K);
    tester_set64(r->m, slot, SDT_PATTERN, r->slots[i].value);
}

static void command(Run *r, unsigned i, uint32_t op)
{
    tester_set(r->m, i + FIRST_SLOT, SDT_COMMAND, op);
}

static void expect_transfer(Run *r, unsigned i, ModelUse use)
{
    const Slot *slot = &r->slots[i];

    expect_result(r, i, use.frame);
    if (slot->write) {
        expect_write(r, use, slot->value);
    } else if (use.frame != NONE) {
        g_assert_cmphex(qtest_readq(r->m->qts, TESTER_BUFFER +
                                    (i + FIRST_SLOT) * PAGE_4K), ==,
                        r->frames[use.frame]);
    }
}

static uint32_t transfer_command(const Slot *slot)
{
    return slot->write ? SDT_OP_WRITE | SDT_CMD_PATTERN : SDT_OP_READ;
}

static void start_immediate(Run *r, unsigned i, unsigned page)
{
    ModelUse use = model_use(&r->model, page);

    prepare(r, i, page, 0);
    command(r, i, transfer_command(&r->slots[i]));
    expect_transfer(r, i, use);
    expect_found(r, use.stale, &r->found.immediate);
}

static bool is_due(Run *r, uint64_t ns)
{
    for (unsigned i = 0; i < N_SLOTS; i++) {
        if (r->slots[i].work == DELAYED && r->slots[i].due_ns == ns) {
            return true;
        }
    }
    return false;
}

static void start_delayed(Run *r, unsigned i, unsigned page)
{
    Slot *slot = &r->slots[i];
    uint64_t delay_ns = (1 + below(r, DELAYED_MAX)) * MS;

    /* no two at the same time: their order would be anybody's */
    while (is_due(r, r->now_ns + delay_ns)) {
        delay_ns++;
    }
    prepare(r, i, page, delay_ns);
    slot->work = DELAYED;
    slot->due_ns = r->now_ns + delay_ns;
    command(r, i, transfer_command(slot));
}

static void start_held(Run *r, unsigned i, unsigned page)
{
    Slot *slot = &r->slots[i];
    ModelUse use = model_use(&r->model, page);

    prepare(r, i, page, 0);
    slot->write = true;
    slot->touched = false;
    slot->then = use.frame;
    command(r, i, SDT_OP_MAP_WRITE);
    expect_found(r, use.stale, &r->found.immediate);
    if (use.frame == NONE) {
        /* QEMU gives a pointer to nowhere rather than none. */
        command(r, i, SDT_OP_UNMAP);
        slot->work = IDLE;
    } else {
        expect_result(r, i, use.frame);
        slot->work = HELD;
    }
}

static void touch(Run *r, unsigned i)
{
    command(r, i, SDT_OP_TOUCH | SDT_CMD_PATTERN);
    g_assert_cmpuint(tester_get(r->m, i + FIRST_SLOT, SDT_RESULT), ==,
                     SDT_RESULT_OK);
    r->slots[i].touched = true;
}

static void let_go(Run *r, unsigned i)
{
    Slot *slot = &r->slots[i];
    ModelUse use = { NONE, false };

    if (slot->touched) {
        use = model_write_back(&r->model, slot->page, slot->then);
    }
    command(r, i, SDT_OP_UNMAP);
    expect_write(r, use, slot->value);
    expect_found(r, use.stale, &r->found.held);
    slot->work = IDLE;
}

/* Returns: the delayed slot whose time comes first, N_SLOTS for none. */
static unsigned first_due(Run *r)
{
    unsigned first = N_SLOTS;

    for (unsigned i = 0; i < N_SLOTS; i++) {
        if (r->slots[i].work == DELAYED &&
            (first == N_SLOTS ||
             r->slots[i].due_ns < r->slots[first].due_ns)) {
            first = i;
        }
    }
    return first;
}

static void step_to(Run *r, uint64_t ns)
{
    qtest_clock_step(r->m->qts, ns - r->now_ns);
    r->now_ns = ns;
}

static void pass_time(Run *r, uint64_t until_ns)
{
    unsigned i;

    while ((i = first_due(r)) < N_SLOTS &&
           r->slots[i].due_ns <= until_ns) {
        ModelUse use = model_use(&r->model, r->slots[i].page);

        step_to(r, r->slots[i].due_ns);
        r->slots[i].work = IDLE;
        expect_transfer(r, i, use);
        expect_found(r, use.stale, &r->found.delayed);
    }
    if (until_ns > r->now_ns) {
        step_to(r, until_ns);
    }
}

/* What a driver should do before it takes a page away. */
static void wait_for_device(Run *r, unsigned page)
{
    for (unsigned i = 0; i < N_SLOTS; i++) {
        Slot *slot = &r->slots[i];

        if (slot->page == page && slot->work == HELD) {
            let_go(r, i);
        } else if (slot->page == page && slot->work == DELAYED) {
            pass_time(r, slot->due_ns);
        }
    }
}

static void invalidate(Run *r, unsigned page)
{
    unsigned order = below(r, 3);
    unsigned first = page & ~((1u << order) - 1);

    switch (below(r, 4)) {
    case 0:
        invalidate_domain(r->m, DOMAIN);
        model_invalidate(&r->model, 0, MODEL_PAGES);
        break;
    case 1:
        invalidate_global(r->m);
        model_invalidate(&r->model, 0, MODEL_PAGES);
        break;
    default:
        invalidate_pages(r->m, DOMAIN, page_iova(page), order);
        model_invalidate(&r->model, first, 1u << order);
        break;
    }
}

static void change_entry(Run *r, unsigned page, int frame)
{
    if (r->correct) {
        wait_for_device(r, page);
    }
    if (frame == NONE) {
        unmap(r->m, page_iova(page));
    } else {
        map(r->m, page_iova(page), frame_address(frame), ENTRY_RW);
    }
    model_set_entry(&r->model, page, frame);
    if (r->correct) {
        invalidate(r, page);
    }
}

/* A correct driver starts no DMA to a page that it has not mapped. */
static bool may_start(Run *r, unsigned i, unsigned page)
{
    return r->slots[i].work == IDLE &&
           (!r->correct || r->model.entry[page] != NONE);
}

static void do_something(Run *r)
{
    unsigned what = below(r, 100), page = below(r, MODEL_PAGES);
    unsigned i = below(r, N_SLOTS);
    int frame = below(r, N_FRAMES);

    if (what < 16) {
        change_entry(r, page, frame);
    } else if (what < 26) {
        change_entry(r, page, NONE);
    } else if (what < 31) {
        invalidate(r, page);
    } else if (what < 53) {
        if (may_start(r, i, page)) {
            start_immediate(r, i, page);
        }
    } else if (what < 68) {
        if (may_start(r, i, page)) {
            start_delayed(r, i, page);
        }
    } else if (what < 80) {
        if (may_start(r, i, page)) {
            start_held(r, i, page);
        }
    } else if (what < 90) {
        pass_time(r, r->now_ns + below(r, 10) * MS);
    } else if (r->slots[i].work == HELD && what < 95) {
        touch(r, i);
    } else if (r->slots[i].work == HELD) {
        touch(r, i);
        let_go(r, i);
    }
}

static void finish(Run *r)
{
    pass_time(r, r->now_ns + (DELAYED_MAX + 1) * MS);
    for (unsigned i = 0; i < N_SLOTS; i++) {
        if (r->slots[i].work == HELD) {
            let_go(r, i);
        }
    }
    expect_frames(r);
}

static IommuMachine *start(ModelMode mode)
{
    static const char *const names[] = { "report", "enforce", "coherent" };
    g_autofree char *iommu = g_strdup_printf(
        "sunder-iommu,mode=%s,bounce=on", names[mode]);

    return iommu_start_mapped(iommu, " ");
}

static Found run(unsigned seed, ModelMode mode, bool correct)
{
    Run r = {
        .m = start(mode),
        .rand = g_rand_new_with_seed(seed),
        .correct = correct,
    };

    model_init(&r.model, mode);
    for (unsigned i = 0; i < N_FRAMES; i++) {
        r.frames[i] = new_value(&r);
        qtest_writeq(r.m->qts, frame_address(i), r.frames[i]);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        do_something(&r);
    }
    finish(&r);
    g_rand_free(r.rand);
    iommu_quit(r.m);
    return r.found;
}

static unsigned number_from_environment(const char *name, unsigned otherwise)
{
    const char *text = g_getenv(name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void test_mode(gconstpointer data)
{
    ModelMode mode = GPOINTER_TO_UINT(data);
    unsigned first = number_from_environment("SUNDER_SEED", 0);
    unsigned n = number_from_environment("SUNDER_SEEDS",
                                         first ? 1 : N_SEEDS / 3);
    Found all = { 0 };

    /* with another seed in each mode, unless one is asked for */
    first = first ?: 1 + mode * n;
    for (unsigned seed = first; seed < first + n; seed++) {
        Found found = run(seed, mode, false);
        Found none = run(seed, mode, true);

        g_test_message("seed %u: %u immediate, %u delayed, %u held", seed,
                       found.immediate, found.delayed, found.held);
        g_assert_cmpuint(found.immediate + found.delayed + found.held, >, 0);
        g_assert_cmpuint(none.immediate + none.delayed + none.held, ==, 0);
        all.immediate += found.immediate;
        all.delayed += found.delayed;
        all.held += found.held;
    }
    g_assert_cmpuint(all.immediate, >, 0);
    g_assert_cmpuint(all.delayed, >, 0);
    g_assert_cmpuint(all.held, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/iommu/late/report",
                        GUINT_TO_POINTER(MODEL_REPORT), test_mode);
    qtest_add_data_func("/iommu/late/enforce",
                        GUINT_TO_POINTER(MODEL_ENFORCE), test_mode);
    qtest_add_data_func("/iommu/late/coherent",
                        GUINT_TO_POINTER(MODEL_COHERENT), test_mode);
    return g_test_run();
}
