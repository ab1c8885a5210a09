/* The power chip (PMIC) of a Raspberry Pi 5, which measures volts and amperes of the rails that it
 * makes from the 5 V input. Its joules are the sum over these rails. The current of the input is
 * not measured, so USB, the fan, other loads of the 5 V rail and the chip's losses are left out,
 * and nothing is added for them.
 *
 * The answer is that of `vcgencmd pmic_read_adc`, one line per value:
 *
 *   VDD_CORE_A current(7)=1.91102000A
 *   VDD_CORE_V volt(15)=0.87355220V
 *   EXT5V_V volt(24)=5.09066000V           no current: not a rail
 *
 * It is asked for through the firmware's device, as vcgencmd does, because starting a program ten
 * times a second would draw power itself. An answer takes some 23 ms, which the window code counts
 * as slack. Of a recorded machine, dev/vcio is a file with the answer.
 *
 * Source: Raspberry Pi, utils (vcgencmd/vcgencmd.c); ml-energy/zeus, zeus/device/machine/rpi.py (an
 * answer, its 23 ms, and that an idle board reads 0 A of memory). */
#include "harness/probe/probe_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE         "dev/vcio"
#define COMMAND        "pmic_read_adc"
#define ANSWER_SIZE    1024 /* of the firmware's commands and answers */
#define TAG_COMMAND    0x00030080u
#define MAILBOX        _IOWR(100, 0, char *)
#define MAX_RAILS      32
#define MAX_RAIL_WATTS 100.0

typedef struct rail {
    char name[24];
    double volts, amperes; /* NaN: not reported */
} rail;

/* Adds a line of the answer to its rail. */
static void add_line(const char *line, rail rails[MAX_RAILS], int *n)
{
    char name[24], kind[12], unit;
    double value;
    int i = 0;
    if (sscanf(line, " %23s %11[a-z](%*d)=%lf%c", name, kind, &value, &unit) != 4) return;
    const size_t length = strlen(name);
    const bool is_current = strcmp(kind, "current") == 0 && unit == 'A';
    if (length < 3 || (!is_current && (strcmp(kind, "volt") != 0 || unit != 'V'))) return;
    if (strcmp(name + length - 2, is_current ? "_A" : "_V") != 0) return;
    name[length - 2] = 0;
    while (i < *n && strcmp(rails[i].name, name) != 0) i++;
    if (i == MAX_RAILS) return;
    if (i == *n) {
        rails[i] = (rail){.volts = NAN, .amperes = NAN};
        memcpy(rails[i].name, name, sizeof name);
        ++*n;
    }
    *(is_current ? &rails[i].amperes : &rails[i].volts) = value;
}

/* Adds up the rails with both values. Returns how many; -1: one of them is no valid power. */
static int sum_rails(const char *answer, double *watts, char *reason, size_t size)
{
    rail rails[MAX_RAILS];
    int n = 0, n_pairs = 0;
    *watts = 0;
    for (const char *line = answer; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        add_line(line, rails, &n);
    }
    for (int i = 0; i < n; i++) {
        const double power = rails[i].volts * rails[i].amperes;
        if (isnan(rails[i].volts) || isnan(rails[i].amperes)) continue;
        if (!(power >= 0 && power <= MAX_RAIL_WATTS)) {
            snprintf(reason, size, "pmic: %g V and %g A of %s are not a valid power",
                     rails[i].volts, rails[i].amperes, rails[i].name);
            return -1;
        }
        *watts += power;
        n_pairs++;
    }
    return n_pairs;
}

/* Asks the firmware. answer: [ANSWER_SIZE + 1]. Returns 0 or the error. */
static int ask(int fd, bool is_recorded, char *answer)
{
    struct {
        unsigned size, code, tag, value_size, request, error;
        char text[ANSWER_SIZE];
        unsigned end;
    } message = {.size = sizeof message, .tag = TAG_COMMAND, .value_size = ANSWER_SIZE};
    strcpy(message.text, COMMAND);
    answer[0] = answer[ANSWER_SIZE] = 0;
    if (is_recorded) {
        const ssize_t n = pread(fd, answer, ANSWER_SIZE, 0);
        answer[n > 0 ? n : 0] = 0;
        return n < 0 ? errno : 0;
    }
    if (ioctl(fd, MAILBOX, &message) < 0) return errno;
    memcpy(answer, message.text, ANSWER_SIZE);
    return 0;
}

static tm_probe_state read_rails(const tm_probe *probe, const tm_channel *channel, int *n_pairs,
                                 tm_reading *out)
{
    char answer[ANSWER_SIZE + 1];
    double watts;
    const int why = ask(channel->fd, strcmp(probe->options.root, "/") != 0, answer);
    *n_pairs = 0;
    if (why) {
        snprintf(out->reason, sizeof out->reason, "pmic: /" DEVICE ": %s", strerror(why));
        return TM_PROBE_INVALID;
    }
    *n_pairs = sum_rails(answer, &watts, out->reason, sizeof out->reason);
    if (*n_pairs < 0) return TM_PROBE_INVALID;
    out->raw = (uint64_t)(1e6 * watts + 0.5);
    return TM_PROBE_OK;
}

static tm_status open_device(const tm_probe *probe, int *fd, tm_probe_health *health, tm_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" DEVICE, probe->options.root);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd >= 0) return TM_OK;
    if (errno == EACCES || errno == EPERM)
        return tm_probe_refuse(health, err, TM_PROBE_DENIED,
                               "sudo usermod -aG video $USER; then log in again",
                               "pmic: /" DEVICE ": %s", strerror(errno));
    return tm_probe_refuse(health, err, TM_PROBE_MISSING, "",
                           "pmic: no /" DEVICE ": this is no Raspberry Pi 5");
}

static tm_status open_pmic(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    tm_channel *c;
    tm_reading reading = {0};
    int fd, n_pairs;
    tm_status status = open_device(probe, &fd, health, err);
    if (status != TM_OK) return status;
    status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) {
        close(fd);
        return status;
    }
    c->fd = fd; /* closed with the channel */
    const tm_probe_state state = read_rails(probe, c, &n_pairs, &reading);
    if (state != TM_PROBE_OK) return tm_probe_refuse(health, err, state, "", "%s", reading.reason);
    if (n_pairs == 0)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "",
                               "pmic: the firmware reports no currents; only a Raspberry Pi 5 "
                               "measures them");
    c->code = n_pairs;
    c->kind = TM_CHANNEL_POWER;
    c->scale = 1e-6;
    c->is_timed = true;
    c->info.method = "integrated";
    snprintf(c->info.name, sizeof c->info.name, "pmic, %d rails", n_pairs);
    snprintf(c->info.scope, sizeof c->info.scope, "%s", TM_SCOPE_PMIC);
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    return TM_OK;
}

static tm_probe_state read_pmic(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    int n_pairs;
    const tm_probe_state state = read_rails(probe, channel, &n_pairs, out);
    if (state != TM_PROBE_OK || n_pairs == channel->code) return state;
    snprintf(out->reason, sizeof out->reason, "pmic: %d rails instead of %d", n_pairs,
             channel->code);
    return TM_PROBE_INVALID;
}

const tm_probe_source tm_probe_pmic = {
    .name = "pmic", .role = TM_PROBE_ROLE_ENERGY, .open = open_pmic, .read = read_pmic};
