using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Sluice.Web.Tests;

/// <summary>Makes a server send its events one after the other with a pause, as a larger model does.</summary>
internal sealed class SlowBody : IStartupFilter
{
    public static void Use(WebApplicationBuilder builder) => builder.Services.AddSingleton<IStartupFilter, SlowBody>();

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (context, go) =>
        {
            context.Features.Set<IHttpResponseBodyFeature>(new Slow(context.Response.Body, context.Features.GetRequiredFeature<IHttpResponseBodyFeature>()));
            await go(context);
            await context.Response.CompleteAsync();
        });
        next(app);
    };

    private sealed class Slow(Stream body, IHttpResponseBodyFeature inner) : StreamResponseBodyFeature(new SlowStream(body), inner);

    private sealed class SlowStream(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(25, cancellationToken);
            await inner.FlushAsync(cancellationToken);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            inner.WriteAsync(buffer, offset, count, cancellationToken);
    }
}
