"""Runs the vendor's syslog sample as it is, with other settings: where the collector is, and heartbeats as quick as the bridge's.

usage: vendor_syslog_sample.py PATH-OF-sync_data_to_syslog.py, with SYSLOG_HOST in the environment; it only knows port 514
"""
import os
import runpy
import sys

sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
sample = runpy.run_path(sys.argv[0], run_name="sample")
option, settings = sample["get_monitor_option"]()
settings.update(host=os.environ["SYSLOG_HOST"])
option.heartbeat_interval = 1
option.consumer_group_time_out = 3

worker = sample["ConsumerWorker"](sample["SyncData"], option, args=(settings,))
worker.start(join=True)
