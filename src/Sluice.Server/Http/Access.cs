using System.Security.Cryptography;
using System.Text;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Reference;

namespace Sluice.Server.Http;

/// <summary>Who may ask, and how much: API keys, and limits for each of them.</summary>
internal sealed class Access : IDisposable
{
    private const int NameBytes = 6;
    private readonly byte[][] _keys; // SHA-256 of each: equal lengths, so that comparing tells nothing by its time
    private readonly PartitionedRateLimiter<string> _rate;
    private readonly PartitionedRateLimiter<string> _concurrency;

    public Access(ServerOptions options)
    {
        _keys = [.. options.ApiKeys.Select(key => SHA256.HashData(Encoding.UTF8.GetBytes(key)))];
        _rate = PartitionedRateLimiter.Create<string, string>(who => options.RequestsPerMinute == 0
            ? RateLimitPartition.GetNoLimiter(who)
            : RateLimitPartition.GetSlidingWindowLimiter(who, _ => new SlidingWindowRateLimiterOptions
            {
                PermitLimit = options.RequestsPerMinute,
                Window = TimeSpan.FromMinutes(1),
                SegmentsPerWindow = 6,
            }));
        _concurrency = PartitionedRateLimiter.Create<string, string>(who => options.ConcurrencyPerKey == 0
            ? RateLimitPartition.GetNoLimiter(who)
            : RateLimitPartition.GetConcurrencyLimiter(who, _ => new ConcurrencyLimiterOptions { PermitLimit = options.ConcurrencyPerKey }));
    }

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<Description>() is { IsOpen: true } || HttpMethods.IsOptions(context.Request.Method))
        {
            await next(context);
            return;
        }
        string who = context.Connection.RemoteIpAddress?.ToString() ?? "";
        if (_keys.Length > 0)
            RequestRecord.Of(context).Key = who = Key(context.Request.Headers.Authorization.ToString());
        if (!HttpMethods.IsPost(context.Request.Method))
        {
            await next(context); // what only shows the server's state costs next to nothing
            return;
        }
        using RateLimitLease rate = _rate.AttemptAcquire(who);
        if (!rate.IsAcquired)
        {
            throw new ApiException(StatusCodes.Status429TooManyRequests, "Too many requests a minute.", code: "rate_limit_exceeded")
            {
                RetryAfterSeconds = rate.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan wait) ? (int)Math.Ceiling(wait.TotalSeconds) : 10,
            };
        }
        using RateLimitLease concurrency = _concurrency.AttemptAcquire(who);
        if (!concurrency.IsAcquired)
            throw ApiException.TooMany("Too many requests at once.");
        await next(context);
    }

    public void Dispose()
    {
        _rate.Dispose();
        _concurrency.Dispose();
    }

    /// <summary>The name of the key, which is the beginning of its hash; every key is looked at, whichever it is.</summary>
    private string Key(string authorization)
    {
        const string scheme = "Bearer ";
        byte[] given = SHA256.HashData(Encoding.UTF8.GetBytes(
            authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? authorization[scheme.Length..].Trim() : ""));
        int found = -1;
        for (int i = 0; i < _keys.Length; i++)
        {
            if (CryptographicOperations.FixedTimeEquals(given, _keys[i]))
                found = i;
        }
        return found >= 0
            ? Convert.ToHexStringLower(_keys[found].AsSpan(0, NameBytes))
            : throw new ApiException(StatusCodes.Status401Unauthorized, "No valid API key was given (Authorization: Bearer KEY).", code: "invalid_api_key");
    }
}
