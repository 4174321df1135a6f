/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "bench-goals.h"

#define PATIENCE        8
/* No more of it after that time: a bench has to end. */
#define MAX_SECONDS     420

typedef struct Goal {
    char *name;
    double figure, limit;
} Goal;

static GArray *goals;
static int64_t begun_us;

void series_add(Series *s, double value)
{
    if (s->n < G_N_ELEMENTS(s->values)) {
        s->values[s->n++] = value;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double series_median(Series *s)
{
    g_assert_cmpuint(s->n, >, 0);
    qsort(s->values, s->n, sizeof(double), compare);
    return s->values[s->n / 2];
}

double series_least(Series *s)
{
    series_median(s);
    return s->values[0];
}

static bool late(void)
{
    if (!begun_us) {
        begun_us = g_get_monotonic_time();
    }
    return g_get_monotonic_time() - begun_us >
           MAX_SECONDS * G_TIME_SPAN_SECOND;
}

bool goals_more(unsigned done, unsigned rounds, double ratio, double limit)
{
    bool enough = late();

    if (done < rounds) {
        return true;
    }
    return limit && ratio > limit && done < rounds * PATIENCE && !enough;
}

static void remember(const char *goal, double figure, double limit)
{
    Goal g = { g_strdup(goal), figure, limit };

    if (!goals) {
        goals = g_array_new(false, false, sizeof(Goal));
    }
    g_array_append_val(goals, g);
}

void goals_row(const char *title, double first, double second, double ratio,
               const char *goal, double limit)
{
    printf("%-40s %10.1f %10.1f  %7.3f\n", title, first, second, ratio);
    fflush(stdout);
    if (limit) {
        remember(goal, ratio, limit);
    }
}

bool goals_print(void)
{
    bool all = true;

    printf("\n%-56s %8s %8s\n", "goal", "at most", "figure");
    for (unsigned i = 0; goals && i < goals->len; i++) {
        Goal *g = &g_array_index(goals, Goal, i);
        bool ok = g->figure <= g->limit;

        printf("%-56s %8g %8.3f  %s\n", g->name, g->limit, g->figure,
               ok ? "ok" : "MISSED");
        all &= ok;
        g_free(g->name);
    }
    g_clear_pointer(&goals, g_array_unref);
    return all;
}
