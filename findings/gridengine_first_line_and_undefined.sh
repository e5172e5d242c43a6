#!/usr/bin/env bash
# Grid Engine 8.1.9: `qsub script.sh` does not look at the first line of the script. A queue as it comes has
# shell_start_mode posix_compliant and shell /bin/sh, so that a script that begins with #!/bin/bash is run by /bin/sh: by
# dash on Debian, where lines of bash fail. And outside of a job array SGE_TASK_ID is the word "undefined", of which
# $((SGE_TASK_ID - 1)) makes -1 in bash (an unset variable counts as 0) and an error in dash. SLURM and PBS run the same
# script by its first line. `-S /bin/bash` helps; arrays count from 1, and `-t 0-9` is refused.
# Needs root, Debian 12 and its package archive; starts a master and one node below a temporary folder, and ends both.
# Seen with gridengine 8.1.9+dfsg-10+b1 of Debian 12:
# without -S: run by dash, "Illegal number: undefined"; with -S /bin/bash: run by bash, part -1
# -t 0-9: 0 is an invalid task id; -t 1-2: parts 0 1
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "the daemons need root" >&2; exit 1; }
folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
version=8.1.9+dfsg-10
apt-get download -q=2 "gridengine-master=$version+b1" "gridengine-exec=$version+b1" "gridengine-client=$version+b1" \
    "gridengine-common=$version" libhwloc15=2.9.0-1 libjemalloc2=5.3.0-1 libmunge2=0.5.15-2+deb12u1 2> /dev/null
for package in *.deb; do dpkg-deb -x "$package" system; done
programs=$folder/system/usr/lib/gridengine
shared=$folder/system/usr/share/gridengine
export LD_LIBRARY_PATH=$folder/system/usr/lib/x86_64-linux-gnu:$programs PATH=$programs:$PATH
export SGE_ROOT=$folder/root SGE_CELL=default SGE_ND=1
export SGE_QMASTER_PORT=$((20000 + RANDOM % 5000)) SGE_EXECD_PORT=$((26000 + RANDOM % 5000))
common=$SGE_ROOT/default/common
spool=$folder/spool
mkdir -p "$common" "$spool/job_scripts" "$folder/execd"
cp -r "$shared/util" "$SGE_ROOT/util"
host=$(hostname -s)
echo "$host" > "$common/act_qmaster"
echo "$host $(getent hosts 127.0.0.1 | tr -s ' ' '\n' | tail -n +2 | { grep -vx "$host" || true; } | xargs)" > "$common/host_aliases"
cat > "$common/bootstrap" <<BOOTSTRAP
admin_user none
default_domain none
ignore_fqdn false
spooling_method classic
spooling_lib libspoolc
spooling_params $common;$spool
binary_path $programs
qmaster_spool_dir $spool
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
BOOTSTRAP
spoolinit classic libspoolc "$common;$spool" init
sed -E "s|^execd_spool_dir.*|execd_spool_dir $folder/execd|; s|^min_(.)id.*|min_\1id 0|; s|^mailer.*|mailer /bin/true|
    s|^load_report_time.*|load_report_time 00:00:02|; s|^gid_range.*|gid_range 21000-21100|" \
    "$shared/default-configuration" > configuration
spooldefaults configuration "$folder/configuration" > /dev/null
spooldefaults complexes "$shared/util/resources/centry" > /dev/null
spooldefaults usersets "$shared/util/resources/usersets" > /dev/null
spooldefaults managers root > /dev/null
waited() { # for a command to succeed, 30 s at most
    for _ in $(seq 300); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "it does not come: $*" >&2
    return 1
}
sge_qmaster > master.out 2>&1 &
pids+=($!)
waited qconf -sh
qconf -ssconf | sed -E 's/^schedule_interval.*/schedule_interval 0:0:1/; s/^(flush_\w+_sec).*/\1 1/' > scheduler
qconf -Msconf "$folder/scheduler" > /dev/null 2>&1
qconf -as "$host" > /dev/null 2>&1 || true
sge_execd > node.out 2>&1 &
pids+=($!)
waited qconf -se "$host"
qconf -sq | sed -E "s/^qname.*/qname all.q/; s/^hostlist.*/hostlist $host/; s/^slots.*/slots 1/; s/^pe_list.*/pe_list NONE/
    s/^load_thresholds.*/load_thresholds NONE/" > queue
qconf -Aq "$folder/queue" > /dev/null 2>&1
cat > script.sh <<'SCRIPT'
#!/bin/bash
#$ -j y
echo "run by $(basename "$(readlink /proc/$$/exe)")"
echo "part $((SGE_TASK_ID - 1))"
SCRIPT
done_with() { [ -z "$(qstat)" ]; }
submitted() { # a job's output, once there is no job
    rm -f out*
    qsub -o "$folder/out.\$TASK_ID" "$@" script.sh > answer 2>&1 || { cat answer; return; }
    sleep 0.5
    waited done_with
    cat out.*
}
plain=$(submitted)
bash=$(submitted -S /bin/bash)
zero=$(submitted -t 0-9)
array=$(submitted -S /bin/bash -t 1-2)
result=$(printf 'without -S:\n%s\nwith -S /bin/bash:\n%s\n-t 0-9:\n%s\n-t 1-2:\n%s\n' "$plain" "$bash" "$zero" "$array")
echo "$result"
grep -q "run by dash" <<< "$plain" && grep -q "Illegal number: undefined" <<< "$plain"
[ "$bash" = $'run by bash\npart -1' ] && grep -q "0 is an invalid task id" <<< "$zero"
[ "$(grep part <<< "$array" | xargs)" = "part 0 part 1" ]
