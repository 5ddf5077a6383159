using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Sluice.Cli.Synthesis;

namespace Sluice.Cli.Tests.Commands;

/// <summary>The server as an operator starts, opens and ends it.</summary>
public class ServeTests
{
    private const string Short = """{"prompt":"Once","max_tokens":1}""";

    [Fact]
    public async Task A_signal_lets_open_answers_end_and_nobody_in()
    {
        const int Tokens = 1000;
        using TemporaryFolder folder = new();
        using SyntheticModel model = MakeModel(folder);
        using ServeProcess server = ServeProcess.Start("--model", model.Path, "--context", "2048");
        using HttpClient client = server.Client();
        using HttpResponseMessage answer = await ServeProcess.BeginAsync(client, Tokens);
        using StreamReader stream = new(await answer.Content.ReadAsStreamAsync());
        Assert.StartsWith("data: ", await stream.ReadLineAsync());

        server.Terminate();
        await IsRefusedAsync(server.Address);
        string[] events = [.. (await stream.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.Equal("data: [DONE]", events[^1]);
        using JsonDocument usage = JsonDocument.Parse(events[^2]["data: ".Length..]);
        Assert.Equal(Tokens, usage.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(0, await server.EndAsync());
    }

    [Fact]
    public async Task Answers_that_take_longer_than_the_shutdown_timeout_are_cut_off()
    {
        using TemporaryFolder folder = new();
        using SyntheticModel model = MakeModel(folder);
        using ServeProcess server = ServeProcess.Start("--model", model.Path, "--context", "100000", "--sequences", "1", "--shutdown-timeout", "1");
        using HttpClient client = server.Client();
        using HttpResponseMessage answer = await ServeProcess.BeginAsync(client, 90000);
        using StreamReader stream = new(await answer.Content.ReadAsStreamAsync());
        Assert.StartsWith("data: ", await stream.ReadLineAsync());
        server.Terminate();
        await Assert.ThrowsAnyAsync<IOException>(stream.ReadToEndAsync);
        Assert.Equal(0, await server.EndAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Https_is_served_with_a_certificate(bool isPem)
    {
        using TemporaryFolder folder = new();
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string file = folder.File("certificate"), keyFile = folder.File("key.pem");
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllBytes(file, isPem ? System.Text.Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()) : certificate.Export(X509ContentType.Pfx));

        using ServeProcess server = ServeProcess.Start(["--tls-certificate", file, .. isPem ? (string[])["--tls-key", keyFile] : []]);
        Assert.Equal("https", server.Address.Scheme);
        using HttpClient trusting = server.Client(trusted: certificate), doubting = server.Client(), plain = new();
        using HttpResponseMessage answer = await trusting.PostAsync("/v1/completions", new StringContent(Short));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await Assert.ThrowsAsync<HttpRequestException>(() => doubting.GetAsync("/health"));
        await Assert.ThrowsAsync<HttpRequestException>(() => plain.GetAsync(new UriBuilder(server.Address) { Scheme = "http" }.Uri));
    }

    [Fact]
    public async Task Each_key_of_the_file_and_the_environment_has_limits_of_its_own()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("keys"), "first\n\n  second  \n");
        using SyntheticModel model = MakeModel(folder);
        using ServeProcess server = ServeProcess.Start(
            ["--model", model.Path, "--context", "100000", "--sequences", "2", "--api-key-file", folder.File("keys"), "--max-concurrency", "1", "--max-rate", "3"], ("SLUICE_API_KEYS", "third,fourth"));
        using HttpClient first = server.Client("first"), second = server.Client("second"), fourth = server.Client("fourth"), nobody = server.Client(" ");
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(nobody)).StatusCode);

        using (await ServeProcess.BeginAsync(first, 90000)) // which nobody waits for
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, (await AskAsync(first)).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await AskAsync(second)).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await AskAsync(fourth)).StatusCode);
        }
        // The second may ask twice more in this minute.
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(second)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(second)).StatusCode);
        HttpResponseMessage tooMany = await AskAsync(second);
        Assert.Equal(HttpStatusCode.TooManyRequests, tooMany.StatusCode);
        Assert.NotNull(tooMany.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(fourth)).StatusCode);

        static Task<HttpResponseMessage> AskAsync(HttpClient client) => client.PostAsync("/v1/completions", new StringContent(Short));
    }

    [Fact]
    public void What_keeps_it_from_starting_is_one_line()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("empty"), "\n");
        SluiceProcess.Run("serve", "--api-key-file", folder.File("empty")).Failed(1, "has no keys");
        SluiceProcess.Run("serve", "--port", "0", "--tls-certificate", folder.File("nowhere")).Failed(1, "nowhere");
        SluiceProcess.Run("serve", "--port", "0", "--tls-certificate", folder.File("empty")).Failed(1, "empty", "PKCS #12");
        SluiceProcess.Run("serve", "--port", "0", "--tls-certificate", folder.File("empty"), "--tls-key", folder.File("empty")).Failed(1, "empty", "PEM");
        SluiceProcess.Run("serve", "--tls-key", folder.File("empty")).Failed(2, "--tls-certificate");
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        SluiceProcess.Run("serve", "--port", ((IPEndPoint)taken.LocalEndpoint).Port.ToString()).Failed(1, "address already in use");
    }

    private static SyntheticModel MakeModel(TemporaryFolder folder) => SyntheticModel.Create(
        Shape.All.Single(shape => shape.Name == "stories-15m"), "Q8_0", folder.File("made-up.gguf"), CancellationToken.None);

    /// <summary>Waits until nobody listens there.</summary>
    private static async Task IsRefusedAsync(Uri address)
    {
        for (int i = 0; i < 1000; i++)
        {
            using TcpClient client = new();
            try
            {
                await client.ConnectAsync(address.Host, address.Port);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
            {
                return;
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
            {
                // It was in the queue of the socket just as that was closed: the next attempt is refused.
            }
            await Task.Delay(5);
        }
        Assert.Fail("New connections are still taken.");
    }
}
