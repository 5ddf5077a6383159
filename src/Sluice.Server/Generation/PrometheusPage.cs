using System.Globalization;
using System.Text;

namespace Sluice.Server.Generation;

/// <summary>The metrics as Prometheus reads them, under vLLM's names (so that its dashboards work) and Sluice's own.</summary>
internal static class PrometheusPage
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(ServerMetrics metrics)
    {
        StringBuilder page = new();
        EngineStatistics engine = metrics.Engine;
        string model = metrics.Model.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n");
        string labels = $"model_name=\"{model}\"";
        foreach (string prefix in (ReadOnlySpan<string>)["vllm:", "sluice_"])
        {
            Value(page, prefix + "num_requests_running", "gauge", "Requests that generate.", labels, metrics.Running);
            Value(page, prefix + "num_requests_waiting", "gauge", "Requests without a token yet.", labels, metrics.Waiting);
            Value(page, prefix + "kv_cache_usage_perc", "gauge", "The share of KV blocks in use, 0 to 1.", labels, engine.CacheUse);
            Value(page, prefix + "prompt_tokens_total", "counter", "Prompt tokens processed.", labels, metrics.PromptTokens);
            Value(page, prefix + "prefix_cache_queries_total", "counter", "Prompt tokens looked for in the cache.", labels, engine.PrefixQueriedTokens);
            Value(page, prefix + "prefix_cache_hits_total", "counter", "Prompt tokens found in the cache.", labels, engine.PrefixHitTokens);
            Value(page, prefix + "num_preemptions_total", "counter", "Requests set aside for want of memory.", labels, engine.Preemptions);
            Value(page, prefix + "generation_tokens_total", "counter", "Tokens generated.", labels, metrics.GeneratedTokens);
            Head(page, prefix + "request_success_total", "counter", "Requests that came to their end.");
            foreach (IGrouping<string, FinishReason> reason in Enum.GetValues<FinishReason>().GroupBy(FinishReasons.Name))
                page.Append(CultureInfo.InvariantCulture, $"{prefix}request_success_total{{{labels},finished_reason=\"{reason.Key}\"}} {reason.Sum(metrics.Finished)}\n");
            Times(page, prefix + "time_to_first_token_seconds", "From a request's arrival to its first token.", labels, metrics.FirstToken);
            Times(page, prefix + "inter_token_latency_seconds", "Between a request's tokens.", labels, metrics.InterToken);
            Times(page, prefix + "e2e_request_latency_seconds", "From a request's arrival to its last token.", labels, metrics.EndToEnd);
        }
        Value(page, "sluice_requests_failed_total", "counter", "Requests that failed or whose client left.", labels, metrics.Failed);
        Value(page, "sluice_embeddings_total", "counter", "Texts whose embeddings were made.", labels, metrics.Embeddings);
        Value(page, "sluice_kv_blocks", "gauge", "Blocks of the KV cache.", labels, engine.Blocks);
        Value(page, "sluice_kv_blocks_free", "gauge", "Blocks that no request holds.", labels, engine.FreeBlocks);
        Value(page, "sluice_kv_disk_writes_total", "counter", "Evicted blocks that were written to disk.", labels, engine.DiskWrites);
        Value(page, "sluice_kv_disk_reads_total", "counter", "Blocks that were read back from disk.", labels, engine.DiskReads);
        return page.ToString();
    }

    private static void Head(StringBuilder page, string name, string type, string help) =>
        page.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    private static void Value(StringBuilder page, string name, string type, string help, string labels, double value)
    {
        Head(page, name, type, help);
        page.Append(CultureInfo.InvariantCulture, $"{name}{{{labels}}} {value}\n");
    }

    private static void Times(StringBuilder page, string name, string help, string labels, Histogram values)
    {
        Head(page, name, "histogram", help);
        values.Write(page, name, labels);
    }
}
