using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// A model: weights and the one computation over them. An architecture is one file that derives from this class, and one line in
/// <see cref="Architectures"/>.
/// </summary>
public abstract class Model
{
    /// <summary>Reads what all models have.</summary>
    protected Model(ModelLoader loader) => (Config, Ops) = (loader.Config, loader.Ops);

    /// <summary>The numbers of the model.</summary>
    public ModelConfig Config { get; }

    /// <summary>What each layer keeps of a sequence.</summary>
    public abstract IReadOnlyList<LayerCache> Layers { get; }

    /// <summary>The bytes that its weights take in memory.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>The bytes of its tables that are read where they are, in the mapped file, as rows of them are needed.</summary>
    public long MappedBytes { get; private set; }

    /// <summary>The linear maps that an adapter may add to, by the names of their tensors.</summary>
    internal IReadOnlyDictionary<string, LinearMap> LinearMaps { get; private set; } = new Dictionary<string, LinearMap>();

    /// <summary>What runs the model.</summary>
    protected Ops Ops { get; }

    /// <summary>
    /// Runs a batch, writing its tokens' rows to the cache, and computes the logits of the rows that want them
    /// [batch.Outputs.Length, vocabulary]: scratch of the caller's scope.
    /// </summary>
    public Tensor Forward(Batch batch, KvCache cache) => Forward(batch, cache, out _);

    /// <summary>As the other, and gives the rows that are wanted themselves, after the last norm [batch.Hidden.Length, embedding].</summary>
    public Tensor Forward(Batch batch, KvCache cache, out Tensor hidden)
    {
        try
        {
            Ops.Adapt(batch);
            Tensor x = Embed(batch);                                            // [tokens, embedding]
            RunLayers(.., x, batch, cache);
            hidden = batch.Hidden.IsEmpty ? default : Normed(Ops.Gather(x, batch.Hidden));
            Ops.Adapt(batch, batch.Outputs);
            return Unembed(Ops.Gather(x, batch.Outputs));                       // [outputs, vocabulary]
        }
        finally
        {
            Ops.EndAdapt();
        }
    }

    /// <summary>The rows of a batch's tokens that go into the first layer [tokens, embedding]: scratch of the caller's scope.</summary>
    public abstract Tensor Embed(Batch batch);

    /// <summary>Runs rows through some of the layers, in place, and writes what these keep of them to the cache. Adapters are the caller's to set.</summary>
    /// <param name="layers">Which layers, one after the other.</param>
    /// <param name="x">The rows that go into the first of them [tokens, embedding]; then those that come out of the last.</param>
    /// <param name="batch">Their tokens.</param>
    /// <param name="cache">What the layers keep.</param>
    public void RunLayers(Range layers, Tensor x, Batch batch, KvCache cache)
    {
        (int first, int count) = layers.GetOffsetAndLength(Config.Layers);
        Begin(batch);
        for (int layer = first; layer < first + count; layer++)
        {
            using ScratchScope scope = Ops.Scratch();
            RunLayer(layer, x, batch, cache);
        }
    }

    /// <summary>The logits of rows that come out of the last layer [rows, vocabulary]: scratch of the caller's scope.</summary>
    public Tensor Unembed(Tensor x) => Logits(Normed(x));

    /// <summary>Computes what a batch's tokens have in common in all layers, in the caller's scratch scope.</summary>
    protected virtual void Begin(Batch batch)
    {
        // Nothing, for most.
    }

    /// <summary>Runs rows through a layer, in place.</summary>
    protected abstract void RunLayer(int layer, Tensor x, Batch batch, KvCache cache);

    /// <summary>The last norm of some rows.</summary>
    protected abstract Tensor Normed(Tensor x);

    /// <summary>The logits of normed rows [rows, vocabulary].</summary>
    protected abstract Tensor Logits(Tensor x);

    /// <summary>Loads an adapter; also while the model runs.</summary>
    /// <param name="path">A GGUF file or a PEFT folder.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="scale">A factor of what it adds.</param>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or does not fit the model; the message names the key or the tensor.</exception>
    /// <exception cref="NotSupportedException">It needs something that Sluice does not have; the message names the key or the tensor.</exception>
    public Adapter LoadAdapter(string path, string name, float scale = 1)
    {
        using AdapterFile file = AdapterFile.Open(path, Config.Metadata);
        if (FoldedChanges.Read(Config.Metadata) is [var folded, ..])
        {
            throw new NotSupportedException(
                $"{path}: an adapter does not fit this model, into which a change of its maps' inputs was folded ('sluice.folded' is '{folded}').");
        }
        return AdapterLoader.Load(file, LinearMaps, name, scale);
    }

    /// <summary>Loads the model of a file.</summary>
    /// <param name="file">The file, which must stay open as long as the model is used.</param>
    /// <param name="ops">What makes the weights ready, owns them, and runs them.</param>
    /// <param name="options">Choices.</param>
    /// <param name="progress">Told the loaded share, 0 to 1.</param>
    /// <exception cref="InvalidDataException">Something is missing or has a wrong shape.</exception>
    /// <exception cref="NotSupportedException">The architecture, a key or a tensor is unknown.</exception>
    public static Model Load(ModelFile file, Ops ops, ModelOptions options = default, IProgress<float>? progress = null)
    {
        Func<ModelLoader, Model> create = Architectures.Find(file.Architecture) ?? throw new NotSupportedException(
            $"{file.Path}: general.architecture '{file.Architecture}' is not one of those that Sluice runs: {string.Join(", ", Architectures.Names)}.");
        ModelLoader loader = new(file, ops, options, progress);
        Model model = create(loader);
        loader.CheckAllRead();
        (model.WeightBytes, model.MappedBytes, model.LinearMaps) = (loader.WeightBytes, loader.MappedBytes, loader.LinearMaps);
        return model;
    }
}
