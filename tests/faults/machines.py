"""Ray's machines, several on this one, as the tests tell it on standard input, a line each:

add NUM_CPUS NUM_GPUS [VARIABLE=VALUE ...]     starts one, and prints its id
drain NODE_ID SECONDS                          gives it notice, as before a spot instance is taken away
(end of input)                                 stops them all
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": int(sys.argv[1]), "num_gpus": 0})
    print(cluster.address, cluster.head_node.node_id, flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "add":
            cpus, gpus, *variables = words
            node = cluster.add_node(
                num_cpus=int(cpus), num_gpus=int(gpus), env_vars=dict(v.split("=", 1) for v in variables)
            )
            print(node.node_id, flush=True)
        else:
            reason = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=taken away"]
            deadline = f"--deadline-remaining-seconds={words[1]}"
            ray = str(Path(sys.executable).with_name("ray"))
            drain = [ray, "drain-node", f"--address={cluster.address}", f"--node-id={words[0]}"]
            done = subprocess.run([*drain, *reason, deadline], capture_output=True, text=True, check=False)
            print(done.returncode, (done.stdout + done.stderr).replace("\n", " "), flush=True)
    cluster.shutdown()
