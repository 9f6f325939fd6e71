"""Does what the vendor's Splunk sample does with its SDK: a consumer group worker, log groups flattened to dicts, one POST per
log, and a checkpoint after each pull. `batched` differs in one thing: a POST carries a megabyte of events.

usage: sample.py shipped|batched, with SLS_* and SPLUNK_HEC_* in the environment
"""
import json
import os
import sys
import uuid

import requests
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig
from aliyun.log.pulllog_response import PullLogResponse

# The SDK requests http://<project>.<host>. The emulator accepts that as an HTTP proxy.
os.environ.update(http_proxy=os.environ["SLS_ENDPOINT"], no_proxy="127.0.0.1")
BATCHED = sys.argv[1] == "batched"
BATCH_BYTES = 1_000_000
URL = os.environ["SPLUNK_HEC_URL"] + "/services/collector/event"
HEADERS = {"Authorization": "Splunk token"}


class ToSplunk(ConsumerProcessorBase):
    def __init__(self):
        super().__init__()
        self.session = requests.Session()

    def process(self, log_groups, check_point_tracker):
        batch, size = [], 0
        for log in PullLogResponse.loggroups_to_flattern_list(log_groups, time_as_str=True, decode_bytes=True):
            event = {
                "time": log["__time__"],
                "host": log["__source__"],
                "source": "sls",
                "sourcetype": "aliyun:sls",
                "event": json.dumps(log),
            }
            text = json.dumps(event)
            if not BATCHED:
                self.post(text)
                continue
            batch.append(text)
            size += len(text)
            if size >= BATCH_BYTES:
                self.post("\n".join(batch))
                batch, size = [], 0
        if batch:
            self.post("\n".join(batch))
        check_point_tracker.save_check_point(True)

    def post(self, body):
        self.session.post(URL, data=body.encode(), headers=HEADERS, timeout=120).raise_for_status()


option = LogHubConfig(
    "http://sls.example",
    os.environ["SLS_AK_ID"],
    os.environ["SLS_AK_KEY"],
    os.environ["SLS_PROJECT"],
    os.environ["SLS_LOGSTORE"],
    "bench",
    str(uuid.uuid4()),
    cursor_position=CursorPosition.BEGIN_CURSOR,
    heartbeat_interval=5,
    data_fetch_interval=0.1,
)
ConsumerWorker(ToSplunk, consumer_option=option).start(join=True)
