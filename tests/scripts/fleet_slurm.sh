#!/usr/bin/env bash
# ternmark fleet on a real Slurm: munged, slurmctld and two nodes on this machine, in a folder of their own. A task
# is requeued in the middle and continues its store. Prints TAP. Takes about 20 s, most of them Slurm's own waits.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/harness/cli/tap.sh
PATH=$PATH:/usr/sbin
for tool in munged slurmctld slurmd sbatch; do
    command -v $tool >/dev/null || { echo "$tool is not installed (Debian: slurmctld slurmd slurm-client munge)"; exit 77; }
done
need jq

cluster=$(mktemp -d /tmp/tm-slurm-XXXXXX) || exit 2 # munge.sock must have a short path
export SLURM_CONF=$cluster/slurm.conf
daemons=()
stop() {
    timeout 10 scancel -u "$(id -un)" 2>/dev/null
    for _ in $(seq 50); do [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break; sleep 0.1; done
    [ ${#daemons[@]} -eq 0 ] || kill "${daemons[@]}" 2>/dev/null
    wait
    rm -rf "$cluster" "$work"
}
trap stop EXIT
host=$(uname -n)
host=${host%%.*}
port=$((20000 + $$ % 20000))
hardware=$(env -u SLURM_CONF slurmd -C | sed -n '1s/^NodeName=[^ ]* //p')
user=$(id -un)
mkdir -p "$cluster"/{state,spool/n1,spool/n2,log}
(umask 077 && head -c 128 /dev/urandom >"$cluster/key")
# The cgroup plugin is loaded although nothing uses it; version 1 touches nothing. A requeued job waits for
# cred_expire.
echo CgroupPlugin=cgroup/v1 >"$cluster/cgroup.conf"
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$cluster/munge.sock,cred_expire=5
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool/%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.%n.pid
SlurmctldLogFile=$cluster/log/slurmctld
SlurmdLogFile=$cluster/log/slurmd.%n
MailProg=/usr/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,sched_interval=2,bf_interval=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) $hardware State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) $hardware State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
END
launch() { # a daemon in the foreground, in a session of its own: SIGHUP would make it read its configuration again
    setsid "$@" </dev/null >>"$cluster/log/out" 2>&1 &
    daemons+=($!)
}
until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}
munged_up() { munge -S "$cluster/munge.sock" -n </dev/null 2>/dev/null | unmunge -S "$cluster/munge.sock" >/dev/null 2>&1; }
nodes_up() { [ "$(timeout 5 sinfo -h -N -o '%N %t' 2>/dev/null | grep -c ' idle$')" = 2 ]; }
launch munged --foreground --force --key-file="$cluster/key" --socket="$cluster/munge.sock" --origin=127.0.0.1 \
    --pid-file="$cluster/munged.pid" --log-file="$cluster/log/munged" --seed-file="$cluster/seed"
until_true 30 munged_up || { echo "munged does not answer here: $(tail -n 1 "$cluster/log/out")"; exit 77; }
launch slurmctld -D -i -f "$SLURM_CONF"
launch slurmd -D -f "$SLURM_CONF" -N n1
launch slurmd -D -f "$SLURM_CONF" -N n2
until_true 60 nodes_up || { echo "the nodes of a local Slurm do not come up here: $(tail -n 1 "$cluster/log/out")"; exit 77; }

# 24 samples of 0.2 s a node.
cat >s.json <<'END'
{ "name": "s", "axes": { "model": ["null:50000000"], "kernel": ["f16", "auto"], "threads": [1], "test": ["tg4"] },
  "baseline": { "kernel": "f16" }, "processes": 4, "repetitions": 3, "warmup": 0 }
END
timeout 300 "$program" fleet s.json --folder f --interval 0.5 --format json >out 2>err </dev/null &
fleet=$!
has_samples() { [ -e f/n2.jsonl ] && [ "$(grep -c '"kind":"sample"' f/n2.jsonl)" -ge 5 ]; }
until_true 120 has_samples
before=$(grep -c '"kind":"sample"' f/n2.jsonl)
task=$(timeout 10 squeue -h -r -w n2 -o %i | head -n 1)
timeout 10 scontrol requeue "$task"
until_true 60 grep -q 'restart 0' f/task-1.log
wait $fleet
[ $? -eq 0 ] && jq -e '.nodes | map([.node, .exit_status]) == [["n1", 0], ["n2", 0]]' out >/dev/null
verdict $? "both nodes measure, and the command ends with 0"
grep -q 'n2 pending (' err && grep -q '^2 of 2 nodes done' err
verdict $? "the requeued task is seen to wait, and to end"
grep -q 'restart 1' f/task-1.log && [ "$before" -ge 5 ]
verdict $? "the task has started twice"
# A pair that was cut in the middle is measured whole again, in the new run; nothing else is.
for node in n1 n2; do
    jq -se '[.[] | select(.kind == "sample")] as $all | ($all | map([.cell_id, .process, .repetition]) | unique | length == 24) and
        ($all | group_by([.run, .cell_id, .process, .repetition]) | all(length == 1)) and ($all | length <= 24 + 6)' "f/$node.jsonl" >/dev/null
    verdict $? "$node: every sample is there, and none twice in a run"
done
[ "$(cat f/report.status)" = 0 ] && [ -s f/n1-report/report.md ] && [ -s f/n2-report/report.md ]
verdict $? "the dependent job has reported"
echo "1..$n"
