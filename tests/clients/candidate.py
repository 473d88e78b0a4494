"""A candidate for leadership as users of the official client write it: it leads until it is killed.

Usage: candidate.py KUBECONFIG IDENTITY
"""

import sys
import time

from kubernetes import config
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

FOREVER = 3600


def main(kubeconfig: str, identity: str) -> None:
    config.load_kube_config(kubeconfig)
    lock = LeaseLock("leader", "default", identity)
    LeaderElection(Config(lock, 3, 2, 1, lambda: time.sleep(FOREVER), lambda: sys.exit("no longer the leader"))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
