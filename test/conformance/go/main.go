// Writes and consumes with aliyun-log-go-sdk. See ../client.ts for the options and the lines on both ends.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	sls "github.com/aliyun/aliyun-log-go-sdk"
	consumer "github.com/aliyun/aliyun-log-go-sdk/consumer"
	"github.com/go-kit/kit/log"
	"github.com/go-kit/kit/log/level"
	"github.com/gogo/protobuf/proto"
)

type options struct {
	Command, Endpoint, AccessKeyID, AccessKeySecret, Region, Project, Logstore string
	Group, Consumer, Compression, Signature                                    string
	HeartbeatSeconds, TimeoutSeconds                                           int
	InOrder                                                                    bool
}

// A string that JSON contains as hexadecimal.
type bytes string

func (b bytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString([]byte(b))), nil }

func (b *bytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*b = bytes(decoded)
	return err
}

type record struct {
	Time     uint32     `json:"time"`
	Ns       uint32     `json:"ns"`
	Contents [][2]bytes `json:"contents"`
}

type group struct {
	Shard   int        `json:"shard"`
	Topic   bytes      `json:"topic"`
	Source  bytes      `json:"source"`
	Tags    [][2]bytes `json:"tags"`
	Logs    []record   `json:"logs"`
	HashKey *string    `json:"hashKey,omitempty"`
}

var compressions = map[string]int{"lz4": sls.Compress_LZ4, "zstd": sls.Compress_ZSTD, "none": sls.Compress_None}

func (o options) authVersion() sls.AuthVersionType {
	if o.Signature == "v4" {
		return sls.AuthV4
	}
	return sls.AuthV1
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var o options
	must(json.Unmarshal([]byte(os.Args[1]), &o))
	if o.Command == "write" {
		write(o)
	} else {
		consume(o)
	}
}

func write(o options) {
	client := sls.CreateNormalInterface(o.Endpoint, o.AccessKeyID, o.AccessKeySecret, "")
	client.SetAuthVersion(o.authVersion())
	client.SetRegion(o.Region)
	for input := json.NewDecoder(os.Stdin); ; {
		var g group
		err := input.Decode(&g)
		if errors.Is(err, io.EOF) {
			return
		}
		must(err)
		must(client.PostLogStoreLogsV2(o.Project, o.Logstore, &sls.PostLogStoreLogsRequest{
			LogGroup:     g.encode(),
			HashKey:      g.HashKey,
			CompressType: compressions[o.Compression],
		}))
	}
}

func (g group) encode() *sls.LogGroup {
	out := &sls.LogGroup{Topic: proto.String(string(g.Topic)), Source: proto.String(string(g.Source))}
	for _, tag := range g.Tags {
		out.LogTags = append(out.LogTags, &sls.LogTag{Key: proto.String(string(tag[0])), Value: proto.String(string(tag[1]))})
	}
	for _, r := range g.Logs {
		entry := &sls.Log{Time: proto.Uint32(r.Time)}
		if r.Ns > 0 {
			entry.TimeNs = proto.Uint32(r.Ns)
		}
		for _, pair := range r.Contents {
			content := &sls.LogContent{Key: proto.String(string(pair[0])), Value: proto.String(string(pair[1]))}
			entry.Contents = append(entry.Contents, content)
		}
		out.Logs = append(out.Logs, entry)
	}
	return out
}

func decode(shard int, in *sls.LogGroup) group {
	out := group{Shard: shard, Topic: bytes(in.GetTopic()), Source: bytes(in.GetSource()), Tags: [][2]bytes{}, Logs: []record{}}
	for _, tag := range in.LogTags {
		out.Tags = append(out.Tags, [2]bytes{bytes(tag.GetKey()), bytes(tag.GetValue())})
	}
	for _, entry := range in.Logs {
		r := record{Time: entry.GetTime(), Ns: entry.GetTimeNs(), Contents: [][2]bytes{}}
		for _, content := range entry.Contents {
			r.Contents = append(r.Contents, [2]bytes{bytes(content.GetKey()), bytes(content.GetValue())})
		}
		out.Logs = append(out.Logs, r)
	}
	return out
}

func consume(o options) {
	var printing sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	lines := json.NewEncoder(out)
	process := func(shard int, list *sls.LogGroupList, tracker consumer.CheckPointTracker) (string, error) {
		printing.Lock()
		defer printing.Unlock()
		for _, g := range list.LogGroups {
			must(lines.Encode(decode(shard, g)))
		}
		must(out.Flush())
		return "", tracker.SaveCheckPoint(true)
	}
	worker := consumer.InitConsumerWorkerWithCheckpointTracker(consumer.LogHubConfig{
		Endpoint:                  o.Endpoint,
		AccessKeyID:               o.AccessKeyID,
		AccessKeySecret:           o.AccessKeySecret,
		AuthVersion:               o.authVersion(),
		Region:                    o.Region,
		Project:                   o.Project,
		Logstore:                  o.Logstore,
		ConsumerGroupName:         o.Group,
		ConsumerName:              o.Consumer,
		CursorPosition:            consumer.BEGIN_CURSOR,
		HeartbeatIntervalInSecond: o.HeartbeatSeconds,
		HeartbeatTimeoutInSecond:  o.TimeoutSeconds,
		InOrder:                   o.InOrder,
		CompressType:              compressions[o.Compression],
		Logger:                    level.NewFilter(log.NewLogfmtLogger(log.NewSyncWriter(os.Stderr)), level.AllowWarn()),
	}, process)
	worker.Start()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	worker.StopAndWait()
}
