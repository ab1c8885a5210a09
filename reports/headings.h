/* Headings of columns: one for a thing, whichever table shows it. Sentence case, the unit after a
 * comma. CSV has keys instead. */
#ifndef TM_REPORTS_HEADINGS_H
#define TM_REPORTS_HEADINGS_H

#define TM_HEADING_MODEL       "Model"
#define TM_HEADING_KERNEL      "Kernel"
#define TM_HEADING_HEAD        "Head"
#define TM_HEADING_THREADS     "Threads"
#define TM_HEADING_TEST        "Test"
#define TM_HEADING_SPEED       "Tokens/s [within run]"
#define TM_HEADING_PROCESSES   "Processes"
#define TM_HEADING_FIRST_TOKEN "First token, ms"
#define TM_HEADING_P50         "Token p50, ms"
#define TM_HEADING_P90         "Token p90, ms"
#define TM_HEADING_P99         "Token p99, ms"
#define TM_HEADING_TOKEN_TIME  "Time, ms/token [within run]"
#define TM_HEADING_PEAK_RSS    "Peak RSS, MiB"
#define TM_HEADING_MB_TOKEN    "Read, MB/token"
#define TM_HEADING_BANDWIDTH   "Read, GB/s"
#define TM_HEADING_JOULES      "Energy, J/token"
#define TM_HEADING_NET_JOULES  "Net energy, J/token"
#define TM_HEADING_TOKENS      "Tokens/J"
#define TM_HEADING_WATTS       "Power, W"
#define TM_HEADING_IDLE_WATTS  "Idle power, W"
#define TM_HEADING_ERROR       "Reading error, %"
#define TM_HEADING_NET_ERROR   "Net reading error, %"
#define TM_HEADING_METER       "Meter: source, scope, method"
#define TM_HEADING_SPEEDUP     "Speed-up"
#define TM_HEADING_PAIRS       "Pairs"
#define TM_HEADING_BOUND       "Bound"
#define TM_HEADING_KEY         "Key"
#define TM_HEADING_VALUE       "Value"

#endif
