"""The fixtures of whole clusters in this process."""

from cluster_in_process import cluster, crowded, etcd, etcd_on_a_small_disk, eventually

__all__ = ["cluster", "crowded", "etcd", "etcd_on_a_small_disk", "eventually"]
