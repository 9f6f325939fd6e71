"""Runs the vendor's sample as it is, with other settings: where Splunk is, and heartbeats as quick as the bridge's.

usage: vendor_sample.py PATH-OF-sync_data_to_splunk.py, with HEC_HOST, HEC_PORT and HEC_TOKEN in the environment
"""
import os
import runpy
import sys

sys.argv = sys.argv[1:]
sample = runpy.run_path(sys.argv[0], run_name="sample")
option, settings = sample["get_monitor_option"]()
settings.update(host=os.environ["HEC_HOST"], port=int(os.environ["HEC_PORT"]), token=os.environ["HEC_TOKEN"], timeout=3)
option.heartbeat_interval = 1
option.consumer_group_time_out = 3

worker = sample["ConsumerWorker"](sample["SyncData"], option, args=(settings,))
worker.start(join=True)
