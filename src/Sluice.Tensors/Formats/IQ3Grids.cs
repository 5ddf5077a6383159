namespace Sluice.Tensors.Formats;

/// <summary>The code books of the IQ3 formats: points of 4 weights of 8 levels (numbers: ggml-common.h).</summary>
internal static class IQ3Grids
{
    /// <summary>256 points of IQ3_XXS.</summary>
    public static CodeBook Xxs { get; } = new(width: 4, levels: [4, 12, 20, 28, 36, 44, 52, 62],
        """
        ACAABJAAC/AAECABGSACO9ADQTAESKAEUVAFWKAFYcAGeAAIgkAIiQAJkpAJm/AJqfAKvRAMx4AMylAN+LAQH0ESL7ETPREUR6EVatEZtIEczOEc
        4xEfATIgCKIgETIhGKIhHHIiKAIkQpIkUCIlgTIoiKIokYIpugIswgIt2WIu9hIwBYMyUEM1ZpM3hSM94ANAApRACwRBEmRBGSRCQTRERYREShRF
        WDRHd4RHgCRIifRIkCRJnwRKrRRMyMRM+MRPHbVSQ3VVYcVXwTVczlVeAYZgChZhE4ZiNaZjQCZkUJZlZGZmgTZoiFZpqqZrybZtGHdyOgd0Rid1
        bcd4njd72wd/BPiAHfiBK/iCfAiJnwiKsGiLx1iOBJmSNFmVY4mXxYmcyomdChqiOAqkRmqlbcqomqqrwrquCDuxF6uzQpu1qEu94kvBJGzCNBzF
        cfzItIzN3kzSRa3Wmz3c0T3gBX7gCK7hKm7lYK7opa7qwN7s2w7vER/yQC/0VI/5
        """u8);

    /// <summary>512 points of IQ3_S.</summary>
    public static CodeBook S { get; } = new(width: 4, levels: [1, 3, 5, 7, 9, 11, 13, 15],
        """
        ABAAAlAAB4AACaAADOAAEBABFbABICACJXACKbACMCADOcADPwAEQSAERIAESdAEUDAFV5AFXUAGcVAHegAIgVAIh4AIi+AIkVAJmMAJolAKp5AK
        q4ALuzAMydAM0CAN2bAN3kAO6KAO95AP/QAQC/EQEUERGgESI5ESOCEURAEVUmEVWxEWZXEWdrEXhpEYi5EZqpEbwCEcxAEd0mEd24Ee7AEgASIg
        BIIgCbIgDfIgECIhGcIhHsIiLhIjOgIkQTIkRoIkTBIlWLIlYYImaoInfgIoitIojwIplKIpoDIqrQIruhIsxHIsyLIs0XIt2MIt4SIv+DIwBaMw
        DJMxGyMyJoMyLBM0SLM0UYM1WpM2kEM5l0M6phM8w4M8yhM93RM+8oM/ABRAA1RAB4RACsRADhRBE3RBGKRBITRCJYRCKnRDOLRDPQREQoRES/RE
        UlRFWcRFYpRGgURIhxRJk4RJnxRKq/RKucRLwCRMxZRM0kRN2bRN4oRO9hRQBwVRE6VRHRVSOtVTRJVUUvVVYLVWeAVYgnVYkdVasVVcyWVd2DVe
        6CVgCbZgDfZgEpZhG9ZhIkZiJ5ZiM5ZjQTZkRcZkUTZlYAZneuZngKZokKZpnIZqwYZszBZt03Zt2BZu43Zu7bZvA5dwDidxGadyMEdzQYd0Sld1
        Wkd2brd3jhd6wTd80Cd93QeABKiAEEiBF6iBIYiCOCiER5iESyiFWNiFY5iGbRiIg4iIjRiJmwiKryiLuEiMybiM0CiN2diNACmQFPmRIJmTRXmU
        USmXi8mZsImczYmd45meAoqgDCqhIEqiJ6qiNsqjQTqkRaqkUaqlegqoiTqpmOqpqyqsx4qs10qu6Vqv+xqwBAuxGmuySmu1abu2oiu8xCu9CbzA
        DZzBGwzDQAzFV0zHiszJotzKsozLwMzM0QzOFT3SMg3UQ83VcF3YoJ3cyw3gBH7gEC7hHg7iLC7jQp7kVD7mZR7ohI7ojh7pmJ7qwq7t3b7uAV/w
        Cw/xKC/1Yi/4mQ/8
        """u8);
}
