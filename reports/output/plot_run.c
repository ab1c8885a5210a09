/* Runs gnuplot as a child process with a time limit. */
#include "harness/base/child.h"
#include "reports/output/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double limit_seconds = 60;

/* Finds gnuplot in PATH. */
static bool find_gnuplot(char *path, size_t size)
{
    const char *dirs = getenv("PATH");
    while (dirs && *dirs) {
        int n = (int)strcspn(dirs, ":");
        if (snprintf(path, size, "%.*s/gnuplot", n, dirs) < (int)size && access(path, X_OK) == 0)
            return true;
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

/* gnuplot's command `cd 'DIRECTORY'`; a quote in the name is doubled. */
static void put_cd(const char *directory, tm_text *out)
{
    tm_text_add(out, "cd '");
    for (const char *c = directory; *c; c++) {
        if (*c == '\'') tm_text_add_char(out, '\'');
        tm_text_add_char(out, *c);
    }
    tm_text_add_char(out, '\'');
}

/* Runs the script in the directory. said[300]: the last line of its stderr. */
static tm_status run_script(const char *gnuplot, const char *directory, const char *script,
                            char said[300], tm_error *err)
{
    tm_text cd = {0};
    tm_child *child;
    tm_child_end end;
    char *text = NULL;
    size_t length;
    put_cd(directory, &cd);
    const char *const argv[] = {gnuplot, "-e", tm_text_string(&cd), script, NULL};
    tm_status status = tm_text_status(&cd, script, err);
    if (status == TM_OK) status = tm_child_open(argv, &child, err);
    tm_text_free(&cd);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, 1 << 20, limit_seconds, NULL, &text, &length, err);
    free(text);
    tm_child_close(child, status == TM_OK ? limit_seconds : 0, &end);
    snprintf(said, 300, "%s", end.last_words);
    if (status == TM_TIMEOUT)
        return tm_fail(err, TM_TIMEOUT, "gnuplot %s: not finished after %g s", script,
                       limit_seconds);
    if (status == TM_OK && !end.ok)
        return tm_fail(err, TM_CHILD, "gnuplot %s %s: %.200s", script, end.reason,
                       said[0] ? said : "no message");
    return status;
}

static tm_status check_drawn(const char *directory, const char *stem, const char *suffix,
                             const char *said, tm_error *err)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s.%s", directory, stem, suffix);
    if (stat(path, &st) == 0 && st.st_size > 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "gnuplot did not draw %s.%s: %.200s", stem, suffix,
                   said[0] ? said : "no message");
}

/* A picture of an earlier run must not pass for one of this run. gnuplot writes through links and
 * devices, which stay. */
static void remove_picture(const char *directory, const char *stem, const char *suffix)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s.%s", directory, stem, suffix);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) unlink(path);
}

tm_status tm_plot_run(const char *directory, const char *stem, tm_error *err)
{
    char gnuplot[4096], script[128], said[300] = "";
    struct stat st;
    if (strlen(directory) + strlen(stem) > 4000)
        return tm_fail(err, TM_IO, "%.200s...: the path is too long (limit 4000 bytes)", directory);
    if (stat(directory, &st) != 0) return tm_fail(err, TM_IO, "%s: no such directory", directory);
    if (!find_gnuplot(gnuplot, sizeof gnuplot))
        return tm_fail(err, TM_UNSUPPORTED,
                       "gnuplot is not installed: install it and run `gnuplot *.gp` in %s",
                       directory);
    snprintf(script, sizeof script, "%s.gp", stem);
    remove_picture(directory, stem, "png");
    remove_picture(directory, stem, "svg");
    tm_status status = run_script(gnuplot, directory, script, said, err);
    if (status == TM_OK) status = check_drawn(directory, stem, "png", said, err);
    return status == TM_OK ? check_drawn(directory, stem, "svg", said, err) : status;
}
