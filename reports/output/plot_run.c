/* Runs gnuplot as a child process with a time limit. */
#include "harness/base/atomic_file.h"
#include "harness/base/child.h"
#include "harness/base/user_file.h"
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

/* Runs the script in the directory with the pictures called PICTURE.*. said[300]: the last line of
 * its stderr. */
static tm_status run_script(const char *gnuplot, const char *directory, const char *script,
                            const char *picture, char said[300], tm_error *err)
{
    tm_text commands = {0};
    tm_child *child;
    tm_child_end end;
    char *text = NULL;
    size_t length;
    put_cd(directory, &commands);
    tm_text_format(&commands, "; draw_as = '%s'", picture);
    const char *const argv[] = {gnuplot, "-e", tm_text_string(&commands), script, NULL};
    tm_status status = tm_text_status(&commands, script, err);
    if (status == TM_OK) status = tm_child_open(argv, &child, err);
    tm_text_free(&commands);
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

const char *const tm_plot_pictures[] = {"png", "svg", "pdf", NULL};

/* gnuplot may lack a terminal for it. */
static bool is_optional(const char *suffix)
{
    return strcmp(suffix, "pdf") == 0;
}

static char *path_of(char path[4096], const char *directory, const char *stem, const char *suffix)
{
    snprintf(path, 4096, "%s/%s.%s", directory, stem, suffix);
    return path;
}

/* Replaces a picture by the one that gnuplot drew under another name. */
static tm_status take_picture(const char *directory, const char *stem, const char *drawn,
                              const char *suffix, tm_error *err)
{
    char path[4096];
    char *data = NULL;
    size_t size = 0;
    tm_status status =
        tm_user_file_read_all(path_of(path, directory, drawn, suffix), &data, &size, err);
    if (status == TM_OK)
        status = tm_atomic_file_write(path_of(path, directory, stem, suffix), data, size, err);
    free(data);
    return status;
}

/* Draws the pictures under other names first, so that earlier ones stay if that fails. */
static tm_status draw(const char *gnuplot, const char *directory, const char *stem,
                      const char *drawn, tm_error *err)
{
    char script[128], said[300] = "", path[4096];
    struct stat st;
    snprintf(script, sizeof script, "%s.gp", stem);
    tm_status status = run_script(gnuplot, directory, script, drawn, said, err);
    for (int i = 0; tm_plot_pictures[i] && status == TM_OK; i++)
        if (stat(path_of(path, directory, drawn, tm_plot_pictures[i]), &st) != 0 || st.st_size == 0)
            if (!is_optional(tm_plot_pictures[i]))
                status = tm_fail(err, TM_UNSUPPORTED, "gnuplot did not draw %s.%s: %.200s", stem,
                                 tm_plot_pictures[i], said[0] ? said : "no message");
    for (int i = 0; tm_plot_pictures[i] && status == TM_OK; i++)
        if (stat(path_of(path, directory, drawn, tm_plot_pictures[i]), &st) == 0 && st.st_size > 0)
            status = take_picture(directory, stem, drawn, tm_plot_pictures[i], err);
    for (int i = 0; tm_plot_pictures[i]; i++)
        unlink(path_of(path, directory, drawn, tm_plot_pictures[i]));
    return status;
}

tm_status tm_plot_run(const char *directory, const char *stem, tm_error *err)
{
    char gnuplot[4096], drawn[64], path[4096];
    struct stat st;
    tm_error why = {0};
    tm_status status;
    if (strlen(directory) + strlen(stem) > 4000)
        return tm_fail(err, TM_IO, "%.200s...: the path is too long (limit 4000 bytes)", directory);
    if (stat(directory, &st) != 0) return tm_fail(err, TM_IO, "%s: no such directory", directory);
    snprintf(drawn, sizeof drawn, ".part-%ld", (long)getpid());
    if (!find_gnuplot(gnuplot, sizeof gnuplot))
        status =
            tm_fail(&why, TM_UNSUPPORTED,
                    "gnuplot is not installed: install it and run `gnuplot *.gp` in %s", directory);
    else
        status = draw(gnuplot, directory, stem, drawn, &why);
    if (status == TM_OK) return TM_OK;
    bool has_earlier = stat(path_of(path, directory, stem, "png"), &st) == 0;
    return tm_fail(err, status, "%s%s", why.message,
                   has_earlier ? "; earlier pictures were kept" : "");
}
