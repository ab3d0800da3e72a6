#!/usr/bin/env python3
"""Disturbs a shared search, and compares what it found with an undisturbed one of the same seed.

Usage: check_workers.py kills   NAS_SEARCH MODEL TEXT [--kills 50] [--postgres]
       check_workers.py network NAS_SEARCH MODEL TEXT [--cut 60]

`kills` lets a searching process and three workers share a study, in a folder or (--postgres) on a server that it starts
itself, and kills one of them with SIGKILL at random moments; each is started again.

`network` (as root) starts a PostgreSQL server in a network namespace, a searching process in another, and four workers in
four more, joined by a switch. One worker is killed for good, one is cut off for --cut seconds and must take part again.

Needs nothing but Python; --postgres and `network` also initdb, postgres and psql in the PATH, and `network` iproute2.
Exit code 1 unless every trial is there once, complete, with the genome and the values of the undisturbed search, and the
front is the same file. MODEL may be a fixture: evaluations are made slow enough by many windows.
"""

import argparse
import os
import pwd
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPACE = "nas"  # prefix of the network namespaces
SUBNET = "10.111.7."
# Every parameter and every value of every trial.
ROWS = """
SELECT number, state, param_name, param_value FROM trials JOIN trial_params USING (trial_id)
UNION ALL
SELECT number, state, 'value ' || objective, value FROM trials JOIN trial_values USING (trial_id)
"""


class Failure(Exception):
    pass


def as_postgres(command: list) -> list:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    user = pwd.getpwnam("postgres")
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", *command]


class Server:
    """A PostgreSQL server in a temporary folder."""

    def __init__(self, space: str | None = None, address: str = ""):
        self.folder = tempfile.mkdtemp(prefix="nas-pg-", dir="/tmp")
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = f"{self.folder}/data"
        initdb = ["initdb", "-D", data, "-U", "checks", "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run(as_postgres(initdb), check=True, stdout=subprocess.DEVNULL, cwd="/tmp")
        if address:
            with open(f"{data}/pg_hba.conf", "a") as file:
                file.write(f"host all all {SUBNET}0/24 trust\n")
        command = ["postgres", "-D", data, "-k", self.folder, "-c", "fsync=off", "-c", f"listen_addresses={address}"]
        log = open(f"{self.folder}/log", "w")
        self.process = subprocess.Popen(inside(space, as_postgres(command)), stdout=log, stderr=log, cwd="/tmp")
        host = address or self.folder.replace("/", "%2F")
        self.url = f"postgresql://checks@{host}/postgres"
        for _ in range(200):
            if os.path.exists(f"{self.folder}/.s.PGSQL.5432"):
                return
            time.sleep(0.05)
        raise Failure("PostgreSQL does not start")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def inside(space: str | None, command: list) -> list:
    return command if space is None else ["ip", "netns", "exec", f"{SPACE}-{space}", *command]


class Check:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = Path(tempfile.mkdtemp(prefix="nas-workers-"))
        self.environment = {**os.environ, "NAS_SEARCH_CACHE": str(self.folder / "cache"), "OPENBLAS_NUM_THREADS": "1"}
        self.options = [
            "--model", arguments.model, "--calibration", arguments.text, "--seed", "11", "--population", "16",
            "--calibration-windows", "8", "--calibration-length", "64", "--fitness-windows", str(arguments.windows),
            "--fitness-length", "128", "--budget", str(arguments.budget),
        ]
        self.logs = 0

    def start(self, words: list, space: str | None = None) -> subprocess.Popen:
        self.logs += 1
        log = open(self.folder / f"{self.logs}.log", "w")
        command = inside(space, [self.arguments.tool, *words])
        return subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, cwd=self.folder)

    def search(self, study: str, *more: str) -> list:
        return [*self.options, "--study", study, *more]

    def found(self, study: str, name: str, server: Server | None = None, space: str | None = None) -> tuple:
        """The rows of all trials, and the front's file: what must not depend on who evaluated."""
        command = inside(space, [self.arguments.tool, "report", study, "--html", "--output", str(self.folder / name)])
        subprocess.run(
            command, check=True, env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if server:
            text = subprocess.run(
                ["psql", "-At", "-F", "|", "-h", server.folder, "-U", "checks", "postgres", "-c", ROWS],
                check=True, capture_output=True, text=True,
            ).stdout
            rows = [tuple(line.split("|")) for line in text.splitlines()]
        else:
            with sqlite3.connect(self.folder / study / "study.db") as database:
                rows = database.execute(ROWS).fetchall()
        rows = sorted((int(n), state, key, float(value)) for n, state, key, value in rows)
        return rows, (self.folder / name / "front.csv").read_text()

    def undisturbed(self) -> list:
        began = time.time()
        if self.start(self.search("undisturbed")).wait() != 0:
            raise Failure(f"the undisturbed search failed, see {self.folder}/1.log")
        print(f"undisturbed search of {self.arguments.budget} evaluations: {time.time() - began:.1f} s")
        return self.found("undisturbed", "undisturbed-report")

    def compare(self, found: tuple, expected: tuple):
        rows, others = found[0], expected[0]
        trials = {row[0] for row in rows}
        if rows != others:
            different = [pair for pair in zip(rows, others) if pair[0] != pair[1]]
            raise Failure(f"{len(rows)} rows of trials, not {len(others)}; first difference: {different[:1]}")
        if trials != set(range(self.arguments.budget)) or {row[1] for row in rows} != {"COMPLETE"}:
            raise Failure(f"{len(trials)} trials with the states {({row[1] for row in rows})}")
        if found[1] != expected[1]:
            raise Failure("the fronts differ")
        print(f"{len(trials)} trials, each complete and once, all genomes, values and the front as undisturbed")


def kills(check: Check):
    arguments = check.arguments
    expected = check.undisturbed()
    server = Server() if arguments.postgres else None
    study = server.url + "#kills" if server else "shared"
    generator = random.Random(1)
    commands = [check.search(study, "--shared", "--portion", "2", "--lease", "1")]
    commands += [["worker", study, "--portion", "2", "--lease", "1", "--wait", "60"]] * 3
    processes = [check.start(command) for command in commands]
    killed = [0, 0]
    try:
        while sum(killed) < arguments.kills:
            time.sleep(generator.uniform(0.05, 0.6))
            if processes[0].poll() == 0:
                raise Failure(f"the search ended after {sum(killed)} kills: give a larger --budget or --windows")
            victim = generator.randrange(len(processes))
            processes[victim].kill()
            processes[victim].wait()
            killed[victim > 0] += 1
            processes[victim] = check.start(commands[victim])
        for process in processes:
            if process.wait() != 0:
                raise Failure(f"a process ended with {process.returncode}, see {check.folder}")
        print(f"{killed[0]} kills of the searching process, {killed[1]} of workers")
        check.compare(check.found(study, "shared-report", server), expected)
    finally:
        for process in processes:
            process.kill()
        if server:
            server.stop()


class Network:
    """Hosts that a switch joins, each a network namespace."""

    def __init__(self, hosts: list):
        self.spaces = ["switch", *hosts]
        self.remove()
        for space in self.spaces:
            self.ip("netns", "add", f"{SPACE}-{space}")
            self.ip("-n", f"{SPACE}-{space}", "link", "set", "lo", "up")
        self.ip("-n", f"{SPACE}-switch", "link", "add", "bridge", "type", "bridge")
        self.ip("-n", f"{SPACE}-switch", "link", "set", "bridge", "up")
        self.address = {}
        for number, host in enumerate(hosts, start=1):
            port = f"port{number}"
            self.ip(
                "link", "add", port, "netns", f"{SPACE}-switch", "type", "veth", "peer", "name", "eth0", "netns",
                f"{SPACE}-{host}",
            )
            self.ip("-n", f"{SPACE}-switch", "link", "set", port, "master", "bridge", "up")
            self.ip("-n", f"{SPACE}-{host}", "address", "add", f"{SUBNET}{number}/24", "dev", "eth0")
            self.ip("-n", f"{SPACE}-{host}", "link", "set", "eth0", "up")
            self.address[host] = f"{SUBNET}{number}"

    def plug(self, host: str, is_in: bool):
        port = f"port{self.spaces.index(host)}"
        self.ip("-n", f"{SPACE}-switch", "link", "set", port, "up" if is_in else "down")

    def remove(self):
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", f"{SPACE}-{space}"], stderr=subprocess.DEVNULL)

    @staticmethod
    def ip(*words: str):
        subprocess.run(["ip", *words], check=True)


def network(check: Check):
    expected = check.undisturbed()
    workers = [f"worker{number}" for number in range(4)]
    net = Network(["database", "main", *workers])
    server = None
    processes = {}

    def evaluated(host: str) -> int:
        log = check.folder / f"{2 + 1 + workers.index(host)}.log"
        lines = [line for line in log.read_text().splitlines() if line.endswith("candidates evaluated")]
        return int(lines[-1].split()[0]) if lines else 0

    def wait(host: str, more_than: int):
        while evaluated(host) <= more_than:
            if processes[host].poll() is not None:
                raise Failure(f"{host} ended with {processes[host].returncode}, see {check.folder}")
            time.sleep(0.2)

    try:
        server = Server("database", net.address["database"])
        study = server.url + "#network"
        processes["main"] = check.start(check.search(study, "--only-workers", "--lease", "10"), "main")
        for host in workers:
            worker = ["worker", study, "--portion", "2", "--lease", "10", "--wait", "60"]
            processes[host] = check.start(worker, host)
        for host in workers:
            wait(host, 0)
        processes["worker1"].kill()
        print(f"worker1 is killed after {evaluated('worker1')} candidates")
        net.plug("worker2", False)
        before, began = evaluated("worker2"), time.time()
        print(f"worker2 is cut off after {before} candidates")
        time.sleep(check.arguments.cut)
        if processes["main"].poll() is not None:
            raise Failure("the search ended before worker2 was back: give a larger --budget or --windows")
        net.plug("worker2", True)
        wait("worker2", before + 2)
        print(f"worker2 was cut off for {check.arguments.cut} s and evaluates again after {time.time() - began:.0f} s")
        for host, process in processes.items():
            if host != "worker1" and process.wait() != 0:
                raise Failure(f"{host} ended with {process.returncode}, see {check.folder}")
        print("candidates of each worker: " + ", ".join(f"{host} {evaluated(host)}" for host in workers))
        check.compare(check.found(study, "network-report", server, "main"), expected)
    finally:
        for process in processes.values():
            process.kill()
        if server:
            server.stop()
        net.remove()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "network"])
    parser.add_argument("tool", type=os.path.abspath)
    parser.add_argument("model", type=os.path.abspath)
    parser.add_argument("text", type=os.path.abspath)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--cut", type=float, default=60)
    parser.add_argument("--budget", type=int, default=960)
    parser.add_argument("--windows", type=int, default=64)
    check = Check(parser.parse_args())
    try:
        {"kills": kills, "network": network}[check.arguments.what](check)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    shutil.rmtree(check.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
