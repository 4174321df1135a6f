/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GMutex by pthread_mutex_t, for ThreadSanitizer
 *
 * GLib's own is made of futexes inside a library that is not instrumented:
 * ThreadSanitizer sees no lock there and reports what it protects.  These
 * take the place of GLib's for the program's own calls.  Without
 * ThreadSanitizer there is nothing here.
 */
#include <glib.h>

#ifdef __SANITIZE_THREAD__
#include <pthread.h>

void (g_mutex_init)(GMutex *mutex)
{
    pthread_mutex_t *real = g_new(pthread_mutex_t, 1);

    pthread_mutex_init(real, NULL);
    mutex->p = real;
}

void (g_mutex_clear)(GMutex *mutex)
{
    pthread_mutex_destroy(mutex->p);
    g_free(mutex->p);
}

void (g_mutex_lock)(GMutex *mutex)
{
    pthread_mutex_lock(mutex->p);
}

void (g_mutex_unlock)(GMutex *mutex)
{
    pthread_mutex_unlock(mutex->p);
}
#endif
