"""A real Slurm on this host: munged, slurmctld and several slurmd started by hand, each node a virtual one.

Needs root, the Debian packages of `install.sh`, and no systemd. Nothing of an existing cluster is touched:
configuration, state, logs and ports are its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONTROLLER_PORT, FIRST_NODE_PORT = 26817, 27001
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=6
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=8
KillWait=10
MinJobAge=60
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=small Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing_programs() -> list[str]:
    return [name for name in NEEDED if shutil.which(name) is None]


class SlurmCluster:
    """`count` virtual nodes n0, n1, … of one CPU each."""

    def __init__(self, place: Path, count: int = 3) -> None:
        self.place = place
        self.nodes = [f"n{number}" for number in range(count)]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._configure()

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.place / "slurm.conf")}

    def start(self) -> None:
        self._start_munge()
        self._start("slurmctld", ["slurmctld", "-D", "-c"])
        self._wait(lambda: self.run("scontrol", "ping", check=False).find("UP") >= 0, "the controller answers")
        for node in self.nodes:
            self.start_node(node)
        self._wait(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "all nodes are idle")

    def stop(self) -> None:
        if "slurmctld" in self._processes:
            self.run("scancel", "--user=root", check=False)
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGTERM)

    def start_node(self, node: str) -> None:
        self._start(node, ["slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """The daemon dies; what it started lives on, as when a node is cut off from the network."""
        self._end(node, signal.SIGKILL)

    def states(self) -> dict[str, str]:
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %t", check=False).split("\n")
        return {name: state.rstrip("*") for name, _, state in (line.partition(" ") for line in lines if line)}

    def running(self) -> dict[str, str]:
        """Task by node, of those that run."""
        lines = self.run("squeue", "--noheader", "--states=R", "--format=%N %i").splitlines()
        return dict(line.split() for line in lines)  # type: ignore[misc]

    def run(self, *arguments: str, check: bool = True, seconds: float = 60) -> str:
        environment = {**os.environ, **self.environment}
        told = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=seconds, check=False)
        assert told.returncode == 0 or not check, (arguments, told.stderr)
        return told.stdout

    def logs(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(self.place.glob("*.log")))

    def _configure(self) -> None:
        (self.place / "state").mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={FIRST_NODE_PORT + number} CPUs=1"
            for number, node in enumerate(self.nodes)
        )
        text = CONFIGURATION.format(host=host, port=CONTROLLER_PORT, place=self.place, nodes=nodes)
        (self.place / "slurm.conf").write_text(text)

    def _start_munge(self) -> None:
        key = self.place / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        for parent in (self.place, *self.place.parents):
            # munged refuses a socket below a directory that its users cannot enter.
            if parent.stat().st_uid == os.getuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log"}
        options = [f"--{option}={self.place / name}" for option, name in files.items()]
        seed = f"--seed-file={self.place / 'munge.seed'}"
        self._start("munged", ["munged", "--foreground", "--force", "--num-threads=2", seed, *options])
        self._wait((self.place / "munge.socket").exists, "munged listens")

    def _start(self, name: str, arguments: list[str]) -> None:
        with (self.place / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, condition: object, what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{self.logs()}"
            time.sleep(0.2)
