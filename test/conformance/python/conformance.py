"""Writes and consumes with aliyun-log-python-sdk. See ../client.ts for the options and the lines on both ends."""
import json
import signal
import sys
import threading

from aliyun.log import LogClient, LogItem, PutLogsRequest
from aliyun.log.auth import AUTH_VERSION_1, AUTH_VERSION_4
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig

options = json.loads(sys.argv[1])
auth_version = AUTH_VERSION_4 if options["signature"] == "v4" else AUTH_VERSION_1


def text(hexadecimal):
    return bytes.fromhex(hexadecimal).decode("utf-8")


def write():
    client = LogClient(options["endpoint"], options["accessKeyId"], options["accessKeySecret"], source="none",
                       auth_version=auth_version, region=options["region"])
    compression = options["compression"]
    for line in sys.stdin:
        group = json.loads(line)
        items = []
        for log in group["logs"]:
            contents = [(text(key), bytes.fromhex(value)) for key, value in log["contents"]]
            item = LogItem(log["time"], contents)
            item.set_time_nano_part(log["ns"])
            items.append(item)
        client.put_logs(PutLogsRequest(
            options["project"], options["logstore"], text(group["topic"]), text(group["source"]), items,
            hashKey=group.get("hashKey"), compress=compression != "none", compress_type=compression,
            logtags=[(text(key), text(value)) for key, value in group["tags"]]))


def hexadecimal(value):
    # The SDK returns text, or bytes for a value that is not UTF-8.
    return (value if isinstance(value, bytes) else value.encode("utf-8")).hex()


def canonical(shard, group):
    return {
        "shard": shard,
        "topic": hexadecimal(group.Topic),
        "source": hexadecimal(group.Source),
        "tags": [[hexadecimal(tag.Key), hexadecimal(tag.Value)] for tag in group.LogTags],
        "logs": [{
            "time": log.Time,
            "ns": log.Time_ns,
            "contents": [[hexadecimal(content.Key), hexadecimal(content.Value)] for content in log.Contents],
        } for log in group.Logs],
    }


printing = threading.Lock()


class Printer(ConsumerProcessorBase):
    def process(self, log_groups, check_point_tracker):
        lines = [json.dumps(canonical(self.shard_id, group)) + "\n" for group in log_groups.LogGroups]
        with printing:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
        check_point_tracker.save_check_point(True)


def consume():
    config = LogHubConfig(options["endpoint"], options["accessKeyId"], options["accessKeySecret"], options["project"],
                          options["logstore"], options["group"], options["consumer"],
                          cursor_position=CursorPosition.BEGIN_CURSOR,
                          heartbeat_interval=options["heartbeatSeconds"], in_order=options.get("inOrder", False), data_fetch_interval=0.2,
                          auth_version=auth_version, region=options["region"],
                          accept_compress_type=options["compression"])
    config.consumer_group_time_out = options["timeoutSeconds"]
    worker = ConsumerWorker(Printer, config)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()
    stop.wait()
    worker.shutdown()
    worker.join()


{"write": write, "consume": consume}[options["command"]]()
