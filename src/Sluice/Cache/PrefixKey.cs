using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Sluice.Cache;

/// <summary>What a block holds: a SHA-256 of its tokens and of the key of the block before it, and so of all tokens up to its end.</summary>
internal readonly record struct PrefixKey(UInt128 High, UInt128 Low)
{
    /// <summary>A key that nothing else has.</summary>
    public static PrefixKey Unique()
    {
        Span<PrefixKey> key = stackalloc PrefixKey[1];
        RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(key));
        return key[0];
    }

    /// <summary>The key of the block that goes on with these tokens.</summary>
    public PrefixKey Next(ReadOnlySpan<int> tokens)
    {
        Span<PrefixKey> before = [this], key = stackalloc PrefixKey[1];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes(before));
        hash.AppendData(MemoryMarshal.AsBytes(tokens));
        hash.GetHashAndReset(MemoryMarshal.AsBytes(key));
        return key[0];
    }
}
