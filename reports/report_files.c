/* The files of a report's folder: texts and plots. */
#include "harness/base/atomic_file.h"
#include "reports/report_parts.h"

#include <stdio.h>
#include <unistd.h>

tm_status tm_report_save(const tm_text *text, const char *directory, const char *stem,
                         const char *extension, tm_text *files, tm_error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s.%s", directory, stem, extension);
    if (n < 0 || (size_t)n >= sizeof path)
        return tm_fail(err, TM_IO, "%s: the path of the report is too long", stem);
    tm_status status = tm_text_save(text, path, err);
    if (status == TM_OK) tm_text_format(files, "%s\n", path);
    return status;
}

static void list_pictures(const char *directory, const char *stem, tm_text *files)
{
    for (int i = 0; tm_plot_pictures[i]; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s.%s", directory, stem, tm_plot_pictures[i]);
        if (access(path, F_OK) == 0) tm_text_format(files, "%s\n", path);
    }
}

tm_status tm_report_draw(tm_plots *plots, const char *directory, bool run_gnuplot, tm_report *out,
                         tm_error *err)
{
    char folder[4096];
    int n = snprintf(folder, sizeof folder, "%s/plots", directory);
    if (n < 0 || (size_t)n >= sizeof folder)
        return tm_fail(err, TM_IO, "plots: the path of the report is too long");
    tm_status status = tm_make_folders(folder, err);
    bool is_drawing = run_gnuplot;
    for (int i = 0; status == TM_OK && i < plots->n; i++) {
        const tm_plot *plot = &plots->items[i];
        tm_error why = {0};
        status = tm_plot_write(plot, folder, err);
        if (status != TM_OK) break;
        tm_text_format(&out->files, "%s/%s.gp\n%s/%s.dat\n", folder, plot->stem, folder,
                       plot->stem);
        if (!is_drawing) continue;
        tm_status drawn = tm_plot_run(folder, plot->stem, &why);
        plots->is_drawn[i] = drawn == TM_OK;
        if (drawn == TM_OK) {
            list_pictures(folder, plot->stem, &out->files);
            continue;
        }
        tm_text_format(&out->remarks, "%s\n", why.message);
        /* If gnuplot is missing, one message is enough for all plots. */
        is_drawing = drawn != TM_UNSUPPORTED;
    }
    if (!run_gnuplot && plots->n)
        tm_text_format(&out->remarks, "plots were not drawn: run `gnuplot *.gp` in %s\n", folder);
    return status;
}
