#!/usr/bin/env bash
# A Slurm cluster for tests, on one machine: no systemd, no cgroups. The partitions `main` and `urgent` have one node
# with fake GPUs, the partition `pair` has two more nodes.
#   cluster.sh up FOLDER     starts it; prints the line that a shell needs to talk to it
#   cluster.sh down FOLDER   ends it, with all of its jobs
#   cluster.sh slurmd FOLDER starts the daemon of the node of `main` again
# Exit code 77: this machine cannot have one; the last line says why.
# Set-up line, on Debian and Ubuntu as root:
#   apt-get install --no-install-recommends slurmctld slurmd slurm-client slurmdbd mariadb-server munge
set -euo pipefail
command=${1:?up, down or slurmd} folder=${2:?a folder}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
PATH=$PATH:/usr/sbin:/sbin
port=${SLURM_TEST_PORT:-17817}
node=$(hostname -s)
user=$(id -un)
export SLURM_CONF=$folder/slurm.conf

skip() { echo "SKIPPED: $*" >&2; exit 77; }
# A daemon that was killed may stay as a zombie, which takes signals.
lives() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$(cat "$1")/status"; }
wait_for() {
    for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    skip "waited 30 s for: $*"
}

install() {
    local missing=()
    for pair in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge slurmdbd:slurmdbd mariadbd:mariadb-server; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "not installed: ${missing[*]}"
    echo "installing ${missing[*]}" >&2
    apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || skip "apt-get update failed"
    # With a runlevel of 1 the packages do not start their daemons.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "${missing[@]}" >/dev/null || skip "apt-get install failed"
}

configure() {
    local memory
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
    cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
# A job that goes back into the queue waits until its credential has expired: two minutes by default.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MinJobAge=600
KillWait=5
SlurmctldTimeout=10
SlurmdTimeout=10
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
AccountingStoragePass=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=8 RealMemory=$memory Gres=gpu:2 State=UNKNOWN
NodeName=pair1 NodeHostname=$node NodeAddr=127.0.0.1 Port=$((port + 3)) CPUs=2 RealMemory=$memory State=UNKNOWN
NodeName=pair2 NodeHostname=$node NodeAddr=127.0.0.1 Port=$((port + 4)) CPUs=2 RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=$node MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=pair Nodes=pair1,pair2 MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
END
    # Any device of characters can be a GPU here.
    printf 'AutoDetect=off\nNodeName=%s Name=gpu File=/dev/null\nNodeName=%s Name=gpu File=/dev/zero\n' "$node" "$node" >"$folder/gres.conf"
    printf 'CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n' >"$folder/cgroup.conf"
    cat >"$folder/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
DbdHost=$node
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=$user
StorageType=accounting_storage/mysql
StorageUser=root
StorageLoc=slurm_test
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
END
    chmod 600 "$folder/slurmdbd.conf"
}

up() {
    install
    mkdir -p "$folder"/{state,db}
    chmod 755 "$folder"
    [ -s "$folder/munge.key" ] || (umask 077; head -c 1024 /dev/urandom >"$folder/munge.key")
    munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" --num-threads=2 || skip "munged does not start"
    configure
    [ -d "$folder/db/mysql" ] || mysql_install_db --no-defaults --datadir="$folder/db" \
        --auth-root-authentication-method=normal --skip-test-db --user="$user" >"$folder/db.log" 2>&1 || skip "no data base"
    setsid mariadbd --no-defaults --user="$user" --datadir="$folder/db" --socket="$folder/db.socket" \
        --pid-file="$folder/mariadbd.pid" --skip-networking --innodb-buffer-pool-size=64M \
        --innodb-flush-log-at-trx-commit=0 --performance-schema=OFF >>"$folder/db.log" 2>&1 </dev/null &
    wait_for mariadb-admin --no-defaults -uroot -S "$folder/db.socket" ping
    # The library has no option for the socket of `localhost` but this variable.
    MYSQL_UNIX_PORT=$folder/db.socket slurmdbd
    wait_for sacctmgr -n show cluster
    sacctmgr -i add cluster test >/dev/null 2>&1 || true
    sacctmgr -i add account test Cluster=test >/dev/null 2>&1 || true
    sacctmgr -i add user "$user" Account=test >/dev/null 2>&1 || true
    slurmctld -i
    wait_for scontrol ping
    for name in "$node" pair1 pair2; do slurmd -N "$name"; done
    wait_for bash -c '[ "$(sinfo -h -p main,pair -o %T | sort -u)" = idle ]'
    echo "export SLURM_CONF=$SLURM_CONF"
}

down() {
    if lives "$folder/slurmctld.pid"; then
        timeout 5 scancel --user="$user" || true
        # Jobs that ignore requests outlive their daemon.
        for pid in $(for name in "$node" pair1 pair2; do timeout 5 scontrol listpids '*' "$name"; done 2>/dev/null | awk 'NR > 1 && $1 > 1 {print $1}'); do
            kill -9 "$pid" 2>/dev/null || true
        done
    fi
    for daemon in "slurmd.$node" slurmd.pair1 slurmd.pair2 slurmctld slurmdbd mariadbd munged; do
        lives "$folder/$daemon.pid" && kill -9 "$(cat "$folder/$daemon.pid")" || true
    done
    rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
}

case $command in
    up) up ;;
    down) down ;;
    slurmd) slurmd -N "$node" ;;
    *) skip "no such command: $command" ;;
esac
