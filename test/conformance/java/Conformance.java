import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import com.aliyun.openservices.log.Client;
import com.aliyun.openservices.log.common.Consts.CompressType;
import com.aliyun.openservices.log.common.FastLog;
import com.aliyun.openservices.log.common.FastLogContent;
import com.aliyun.openservices.log.common.FastLogGroup;
import com.aliyun.openservices.log.common.FastLogTag;
import com.aliyun.openservices.log.common.LogGroupData;
import com.aliyun.openservices.log.common.LogItem;
import com.aliyun.openservices.log.common.TagContent;
import com.aliyun.openservices.log.http.client.ClientConfiguration;
import com.aliyun.openservices.log.http.signer.SignVersion;
import com.aliyun.openservices.log.request.PutLogsRequest;
import com.aliyun.openservices.loghub.client.ClientWorker;
import com.aliyun.openservices.loghub.client.ILogHubCheckPointTracker;
import com.aliyun.openservices.loghub.client.config.LogHubConfig;
import com.aliyun.openservices.loghub.client.exceptions.LogHubCheckPointException;
import com.aliyun.openservices.loghub.client.interfaces.ILogHubProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.HexFormat;

/** Writes and consumes with aliyun-log and loghub-client-lib. See ../client.ts for the options and the lines on both ends. */
public final class Conformance {
    private static final HexFormat HEX = HexFormat.of();
    private static final Map<String, CompressType> COMPRESSIONS = Map.of(
            "lz4", CompressType.LZ4, "zstd", CompressType.ZSTD, "deflate", CompressType.GZIP, "none", CompressType.NONE);

    public static void main(String[] arguments) throws Exception {
        JSONObject options = JSON.parseObject(arguments[0]);
        if (options.getString("command").equals("write")) {
            write(options);
        } else {
            consume(options);
        }
    }

    private static void write(JSONObject options) throws Exception {
        ClientConfiguration configuration = new ClientConfiguration();
        configuration.setProxyHost(options.getString("proxyHost"));
        configuration.setProxyPort(options.getIntValue("proxyPort"));
        if (options.getString("signature").equals("v4")) {
            configuration.setSignatureVersion(SignVersion.V4);
            configuration.setRegion(options.getString("region"));
        }
        Client client = new Client(options.getString("endpoint"), options.getString("accessKeyId"),
                options.getString("accessKeySecret"), configuration);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JSONObject group = JSON.parseObject(line);
            PutLogsRequest request = new PutLogsRequest(options.getString("project"), options.getString("logstore"),
                    text(group.getString("topic")), text(group.getString("source")), itemsOf(group));
            request.setCompressType(COMPRESSIONS.get(options.getString("compression")));
            request.SetTags(tagsOf(group));
            if (group.containsKey("hashKey")) {
                request.SetRouteKey(group.getString("hashKey"));
            }
            client.PutLogs(request);
        }
        client.shutdown();
    }

    private static List<LogItem> itemsOf(JSONObject group) {
        List<LogItem> items = new ArrayList<>();
        for (Object each : group.getJSONArray("logs")) {
            JSONObject log = (JSONObject) each;
            LogItem item = new LogItem((int) log.getLongValue("time"));
            item.SetTimeNsPart(log.getIntValue("ns"));
            for (Object pair : log.getJSONArray("contents")) {
                item.PushBack(text(((JSONArray) pair).getString(0)), text(((JSONArray) pair).getString(1)));
            }
            items.add(item);
        }
        return items;
    }

    private static List<TagContent> tagsOf(JSONObject group) {
        List<TagContent> tags = new ArrayList<>();
        for (Object pair : group.getJSONArray("tags")) {
            tags.add(new TagContent(text(((JSONArray) pair).getString(0)), text(((JSONArray) pair).getString(1))));
        }
        return tags;
    }

    private static String text(String hexadecimal) {
        return new String(HEX.parseHex(hexadecimal), StandardCharsets.UTF_8);
    }

    private static void consume(JSONObject options) throws Exception {
        LogHubConfig config = new LogHubConfig(options.getString("group"), options.getString("consumer"),
                options.getString("endpoint"), options.getString("project"), options.getString("logstore"),
                options.getString("accessKeyId"), options.getString("accessKeySecret"),
                LogHubConfig.ConsumePosition.BEGIN_CURSOR);
        config.setHeartBeatIntervalMillis(options.getLongValue("heartbeatSeconds") * 1000);
        config.setTimeoutInSeconds(options.getIntValue("timeoutSeconds"));
        config.setConsumeInOrder(options.getBooleanValue("inOrder"));
        ClientWorker worker = new ClientWorker(Printer::new, config);
        Thread running = new Thread(worker);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            worker.shutdown();
            // Otherwise the signal would decide the exit code.
            Runtime.getRuntime().halt(0);
        }));
        running.start();
        running.join();
    }

    private static final class Printer implements ILogHubProcessor {
        private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        private int shard;

        @Override
        public void initialize(int shard) {
            this.shard = shard;
        }

        @Override
        public String process(List<LogGroupData> groups, ILogHubCheckPointTracker tracker) {
            StringBuilder lines = new StringBuilder();
            for (LogGroupData group : groups) {
                lines.append(canonical(shard, group.GetFastLogGroup()).toJSONString()).append('\n');
            }
            synchronized (OUT) {
                OUT.print(lines);
                OUT.flush();
            }
            save(tracker);
            return null;
        }

        @Override
        public void shutdown(ILogHubCheckPointTracker tracker) {
            save(tracker);
        }

        private static void save(ILogHubCheckPointTracker tracker) {
            try {
                tracker.saveCheckPoint(true);
            } catch (LogHubCheckPointException error) {
                error.printStackTrace();
            }
        }
    }

    private static JSONObject canonical(int shard, FastLogGroup group) {
        JSONArray tags = new JSONArray();
        for (FastLogTag tag : group.getTags()) {
            tags.add(pair(tag.getKeyBytes(), tag.getValueBytes()));
        }
        JSONArray logs = new JSONArray();
        for (FastLog log : group.getLogs()) {
            JSONArray contents = new JSONArray();
            for (FastLogContent content : log.getContents()) {
                contents.add(pair(content.getKeyBytes(), content.getValueBytes()));
            }
            logs.add(new JSONObject()
                    .fluentPut("time", Integer.toUnsignedLong(log.getTime()))
                    .fluentPut("ns", log.getTimeNsPart())
                    .fluentPut("contents", contents));
        }
        return new JSONObject()
                .fluentPut("shard", shard)
                .fluentPut("topic", hexadecimal(group.getTopicBytes()))
                .fluentPut("source", hexadecimal(group.getSourceBytes()))
                .fluentPut("tags", tags)
                .fluentPut("logs", logs);
    }

    /** A field that is absent or empty is null here. */
    private static String hexadecimal(byte[] bytes) {
        return bytes == null ? "" : HEX.formatHex(bytes);
    }

    private static JSONArray pair(byte[] key, byte[] value) {
        return new JSONArray().fluentAdd(HEX.formatHex(key)).fluentAdd(HEX.formatHex(value));
    }
}
