#!/usr/bin/env bash
# ternmark fleet with scripts in place of Slurm's commands: what it submits, and what it makes of the outcome.
# tests/scripts/fleet_slurm.sh runs a real Slurm. Prints TAP.
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need jq

cat >s.json <<'END'
{ "name": "a suite", "axes": { "model": ["null:1000"], "kernel": ["auto"], "threads": [1], "test": ["tg2"] },
  "repetitions": 2, "warmup": 0 }
END
expect 0 "--print: the job script" '^#SBATCH --partition=arm,x86$' fleet s.json --print --partition arm,x86 --cpu-freq 2000000 \
    --threads-per-core 1 --nodes n1,n2,n3 --time 30
cp out script
bash -n script && grep -q '^#SBATCH --array=0-2$' script && grep -q '^#SBATCH --exclusive$' script &&
    grep -q -- '--cpu-freq=2000000 --threads-per-core=1)$' script && grep -q '^#SBATCH --time=30$' script
verdict $? "it is a bash script with what was asked"
mkdir -p results/fleet/a-suite && bash script >out 2>err
jq -se 'map(select(.kind == "sample")) | length == 2' "results/fleet/a-suite/${SLURMD_NODENAME:-$(uname -n)}.jsonl" >/dev/null
verdict $? "it also runs without Slurm"
expect 2 "a folder that cannot stand in a script" 'contains " ", which cannot stand' fleet s.json --print --folder 'a b'
expect 2 "unknown suite" 'did you mean "quick"' fleet quik --print

mkdir bin empty
PATH=$work/empty "$program" fleet s.json --folder f >out 2>err </dev/null
[ $? -eq 3 ] && grep -q 'sinfo is not installed.*--print' err
verdict $? "no Slurm"
PATH=$work/bin:$PATH

cat >bin/sinfo <<'END'
#!/bin/sh
echo 'n1|main*|1|idle'
[ -e alone ] || echo 'n2|main*|4096|mixed'
echo 'n3|main*|2|down*'
echo 'n2|other|4096|mixed'
END
# The array runs at once, task by task.
cat >bin/sbatch <<'END'
#!/bin/bash
echo "sbatch $*" >>calls
case $* in
*job.sh)
    echo '7;cluster'
    task=0
    while read -r node _; do
        SLURMD_NODENAME=$node SLURM_ARRAY_TASK_ID=$task bash "${@: -1}" >"f/task-$task.log" 2>&1
        task=$((task + 1))
    done <f/nodes
    [ ! -e other_cpu ] || sed -i 's/"cpu_model":"[^"]*"/"cpu_model":"Another CPU"/' f/n2.jsonl
    ;;
*) echo 8 && bash "${@: -1}" >f/report.log 2>&1 ;;
esac
exit 0
END
cat >bin/scontrol <<'END'
#!/bin/sh
echo "scontrol $*" >>calls
[ "$1" != show ] || echo "$3" | tr , '\n'
END
printf '#!/bin/sh\n[ ! -e forgotten ] || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }\n' >bin/squeue
printf '#!/bin/sh\necho "scancel $*" >>calls\n' >bin/scancel
chmod +x bin/sinfo bin/sbatch bin/scontrol bin/squeue bin/scancel

expect 0 "two nodes are measured" '^n2 .* ok  *2 ' fleet s.json --folder f -q
grep -q 'left out: n3 (down\*)' err
verdict $? "a node that is down is named"
grep -q '^n2 .*Slurm says 4096 CPUs, the node has' out
verdict $? "a node with other CPUs than Slurm says is named"
printf '%s\n' "sbatch --parsable --hold $work/f/job.sh" "scontrol update JobId=7_0 Partition=main ReqNodeList=n1" \
    "scontrol update JobId=7_1 Partition=main ReqNodeList=n2" "sbatch --parsable --dependency=afterany:7 $work/f/report.sh" \
    "scontrol release 7" | cmp -s - calls
verdict $? "an array whose tasks are given their nodes before it is released, and a dependent job"
[ -s f/n1-report/report.md ] && [ -s f/n2-report/report.md ] && [ -s f/machines-report/report.md ]
verdict $? "the dependent job reports on each node and compares them"
touch other_cpu forgotten
expect 0 "a job that Slurm has forgotten has ended" '"exit_status":	0' fleet s.json --folder f -q --format json
jq -e '.nodes | map(.samples) == [2, 2] and (.[1].remark | test("its CPU is Another CPU; n1 of the same partition has"))' out >/dev/null
verdict $? "the stores were complete, and a CPU that differs within the partition is named"
rm other_cpu
expect 2 "a node that Slurm does not know" 'no node n9' fleet s.json --folder f --nodes n1,n9
touch alone
expect 4 "a program that the nodes do not have" '^n1 .* failed .*exit status 127: see task-0.log' fleet s.json --folder f -q --program "$work/none"
printf '#!/bin/sh\necho "sbatch: error: Batch job submission failed: Invalid account" >&2\nexit 1\n' >bin/sbatch
expect 4 "a job that Slurm refuses" 'sbatch exited with 1: .*Invalid account' fleet s.json --folder f
expect 2 "a folder that cannot be made" '/dev/full: cannot make this folder' fleet s.json --folder /dev/full/f
echo "1..$n"
