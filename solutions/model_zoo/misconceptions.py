# %% [markdown]
# The model zoo, as it really comes back: implementations that are wrong in one way each,
# and right ones in other styles. A cell runs after the reference notebook's cells and
# redefines one object; the comment at its top is the hint a student gets, and the marker
# names the check that the mistake must lose.

# %% role="shared"
class _Count:
    """A right count in parts, of which each cell below changes one."""

    def __init__(self, config):
        self.config = config
        self.family = config["family"]
        self.dim = config["embed_dim"]
        self.layers = config["num_layers"]
        self.heads = config["num_heads"]
        self.ff = config["ff_dim"]
        self.vocabulary = config.get("vocabulary_size", 0)
        self.positions = config.get("max_positions", 0)

    def dense(self, n, m):
        return n * m + m

    def attention(self):
        return 4 * self.dense(self.dim, self.dim)

    def feed_forward(self):
        return self.dense(self.dim, self.ff) + self.dense(self.ff, self.dim)

    def norm(self):
        return 2 * self.dim

    def block(self):
        return self.attention() + self.feed_forward() + 2 * self.norm()

    def blocks(self):
        return self.layers * self.block()

    def tables(self):
        return self.vocabulary * self.dim + self.positions * self.dim

    def final_norm(self):
        return self.norm() if self.config["final_norm"] else 0

    def segments(self):
        return self.config["num_segments"] * self.dim

    def pooler(self):
        return self.dense(self.dim, self.dim) if self.config["pooler"] else 0

    def encoder(self):
        start = self.tables() + self.segments() + self.norm()
        return start + self.blocks() + self.pooler()

    def head(self):
        return 0 if self.config["tied_head"] else self.vocabulary * self.dim

    def decoder(self):
        return self.tables() + self.blocks() + self.final_norm() + self.head()

    def decoder_block(self):
        return self.block() + self.attention() + self.norm()

    def stacks(self):
        return self.layers * (self.block() + self.decoder_block())

    def encoder_decoder(self):
        return self.tables() + self.stacks() + 2 * self.final_norm()

    def patches(self):
        return (self.config["image_size"] // self.config["patch_size"]) ** 2

    def pixels(self):
        return self.config["patch_size"] ** 2 * self.config["channels"]

    def image(self):
        positions = (self.patches() + 1) * self.dim
        return self.dense(self.pixels(), self.dim) + self.dim + positions

    def classifier(self):
        return self.dense(self.dim, self.config["num_classes"])

    def vit(self):
        return self.image() + self.blocks() + self.norm() + self.classifier()

    def total(self):
        return getattr(self, self.family)()


# %% wrong="attention_without_biases" exercise="count_parameters" check="encoder"
# The attention's four dense layers have no biases. Each adds one number per output
# feature: 4·embed_dim for each attention.
class AttentionWithoutBiases(_Count):
    def attention(self):
        return 4 * self.dim * self.dim


def count_parameters(config):
    return AttentionWithoutBiases(config).total()


# %% wrong="no_output_projection" exercise="count_parameters" check="encoder"
# An attention counts three dense layers: query, key and value. The fourth mixes the
# heads' results, and is as large as they are.
class NoOutputProjection(_Count):
    def attention(self):
        return 3 * self.dense(self.dim, self.dim)


def count_parameters(config):
    return NoOutputProjection(config).total()


# %% wrong="one_projection" exercise="count_parameters" check="encoder"
# An attention counts one dense layer. Query, key, value and output have one each.
class OneProjection(_Count):
    def attention(self):
        return self.dense(self.dim, self.dim)


def count_parameters(config):
    return OneProjection(config).total()


# %% wrong="heads_as_wide_as_the_model" exercise="count_parameters" check="encoder"
# Every head is as wide as the model. The heads share embed_dim out among themselves:
# each has embed_dim / num_heads features, so their number changes nothing.
class HeadsAsWideAsTheModel(_Count):
    def attention(self):
        wide = self.heads * self.dim
        return 3 * self.dense(self.dim, wide) + self.dense(wide, self.dim)


def count_parameters(config):
    return HeadsAsWideAsTheModel(config).total()


# %% wrong="heads_without_sharing" exercise="count_parameters" check="encoder"
# The attention is multiplied by the number of heads. Together the heads have one dense
# layer for the queries, one for the keys, one for the values.
class HeadsWithoutSharing(_Count):
    def attention(self):
        return self.heads * 4 * self.dense(self.dim, self.dim)


def count_parameters(config):
    return HeadsWithoutSharing(config).total()


# %% wrong="one_head_only" exercise="count_parameters" check="encoder"
# Only one head's projections are counted. All heads together project to embed_dim.
class OneHeadOnly(_Count):
    def attention(self):
        size = self.dim // self.heads
        return 3 * self.dense(self.dim, size) + self.dense(self.dim, self.dim)


def count_parameters(config):
    return OneHeadOnly(config).total()


# %% wrong="query_bias_only" exercise="count_parameters" check="encoder"
# Only one bias of the attention's four is counted. Each dense layer has its own.
class QueryBiasOnly(_Count):
    def attention(self):
        return 4 * self.dim * self.dim + self.dim


def count_parameters(config):
    return QueryBiasOnly(config).total()


# %% wrong="ff_always_four_times" exercise="count_parameters" check="encoder"
# The feed-forward layer is taken to be 4·embed_dim wide. That is so in all the famous
# models, and the configuration says it: use ff_dim.
class FfAlwaysFourTimes(_Count):
    def feed_forward(self):
        wide = 4 * self.dim
        return self.dense(self.dim, wide) + self.dense(wide, self.dim)


def count_parameters(config):
    return FfAlwaysFourTimes(config).total()


# %% wrong="ff_one_way" exercise="count_parameters" check="encoder"
# The feed-forward part counts one dense layer. It has two: up to ff_dim, and back.
class FfOneWay(_Count):
    def feed_forward(self):
        return self.dense(self.dim, self.ff)


def count_parameters(config):
    return FfOneWay(config).total()


# %% wrong="ff_without_biases" exercise="count_parameters" check="encoder"
# The feed-forward part has no biases. The first layer has ff_dim, the second embed_dim.
class FfWithoutBiases(_Count):
    def feed_forward(self):
        return 2 * self.dim * self.ff


def count_parameters(config):
    return FfWithoutBiases(config).total()


# %% wrong="ff_biases_alike" exercise="count_parameters" check="encoder"
# Both biases of the feed-forward part have the same size. A bias is as long as its
# layer's output: ff_dim on the way up, embed_dim on the way back.
class FfBiasesAlike(_Count):
    def feed_forward(self):
        return 2 * self.dim * self.ff + 2 * self.ff


def count_parameters(config):
    return FfBiasesAlike(config).total()


# %% wrong="ff_biases_alike/narrow" exercise="count_parameters" check="encoder"
class FfBiasesAlikeNarrow(_Count):
    def feed_forward(self):
        return 2 * self.dim * self.ff + 2 * self.dim


def count_parameters(config):
    return FfBiasesAlikeNarrow(config).total()


# %% wrong="ff_one_bias" exercise="count_parameters" check="encoder"
# Only the wide layer's bias is counted in the feed-forward part. The way back to
# embed_dim has one too.
class FfOneBias(_Count):
    def feed_forward(self):
        return 2 * self.dim * self.ff + self.ff


def count_parameters(config):
    return FfOneBias(config).total()


# %% wrong="norm_without_shift" exercise="count_parameters" check="encoder"
# A layer norm counts embed_dim. It has a scale and a shift, embed_dim each.
class NormWithoutShift(_Count):
    def norm(self):
        return self.dim


def count_parameters(config):
    return NormWithoutShift(config).total()


# %% wrong="norms_forgotten" exercise="count_parameters" check="encoder"
# The layer norms are not counted. Each has a scale and a shift: 2·embed_dim.
class NormsForgotten(_Count):
    def norm(self):
        return 0


def count_parameters(config):
    return NormsForgotten(config).total()


# %% wrong="norm_of_two_numbers" exercise="count_parameters" check="encoder"
# A layer norm counts two numbers. It has a scale and a shift for every feature.
class NormOfTwoNumbers(_Count):
    def norm(self):
        return 2


def count_parameters(config):
    return NormOfTwoNumbers(config).total()


# %% wrong="one_norm_per_block" exercise="count_parameters" check="encoder"
# A block has one layer norm. It has two: one for the attention, one for the
# feed-forward part.
class OneNormPerBlock(_Count):
    def block(self):
        return self.attention() + self.feed_forward() + self.norm()


def count_parameters(config):
    return OneNormPerBlock(config).total()


# %% wrong="one_block_only" exercise="count_parameters" check="encoder"
# One block is counted. There are num_layers of them, each with weights of its own.
class OneBlockOnly(_Count):
    def blocks(self):
        return self.block()

    def stacks(self):
        return self.block() + self.decoder_block()


def count_parameters(config):
    return OneBlockOnly(config).total()


# %% wrong="blocks_without_ff" exercise="count_parameters" check="encoder"
# The blocks have no feed-forward part. It holds two thirds of a block's parameters.
class BlocksWithoutFf(_Count):
    def feed_forward(self):
        return 0


def count_parameters(config):
    return BlocksWithoutFf(config).total()


# %% wrong="positions_forgotten" exercise="count_parameters" check="encoder"
# The positions are not counted. They are a table of their own, max_positions rows of
# embed_dim, learned like the tokens' table.
class PositionsForgotten(_Count):
    def tables(self):
        return self.vocabulary * self.dim


def count_parameters(config):
    return PositionsForgotten(config).total()


# %% wrong="tokens_forgotten" exercise="count_parameters" check="encoder"
# The tokens' table is not counted: vocabulary_size rows of embed_dim.
class TokensForgotten(_Count):
    def tables(self):
        return self.positions * self.dim


def count_parameters(config):
    return TokensForgotten(config).total()


# %% wrong="no_norm_after_the_tables" exercise="count_parameters" check="encoder"
# The encoder's first layer norm is missing. BERT normalises the sum of its tables before
# the first block.
class NoNormAfterTheTables(_Count):
    def encoder(self):
        return super().encoder() - self.norm()


def count_parameters(config):
    return NoNormAfterTheTables(config).total()


# %% wrong="segments_forgotten" exercise="count_parameters" check="encoder"
# The segments are not counted. They are a table of num_segments rows of embed_dim.
class SegmentsForgotten(_Count):
    def segments(self):
        return 0


def count_parameters(config):
    return SegmentsForgotten(config).total()


# %% wrong="segments_always_two" exercise="count_parameters" check="encoder"
# There are always two segments. DistilBERT has none: use num_segments.
class SegmentsAlwaysTwo(_Count):
    def segments(self):
        return 2 * self.dim


def count_parameters(config):
    return SegmentsAlwaysTwo(config).total()


# %% wrong="pooler_always" exercise="count_parameters" check="encoder"
# The pooler is always counted. DistilBERT has none: ask the configuration.
class PoolerAlways(_Count):
    def pooler(self):
        return self.dense(self.dim, self.dim)


def count_parameters(config):
    return PoolerAlways(config).total()


# %% wrong="pooler_forgotten" exercise="count_parameters" check="encoder"
# The pooler is never counted: a dense layer from embed_dim to embed_dim, which BERT has.
class PoolerForgotten(_Count):
    def pooler(self):
        return 0


def count_parameters(config):
    return PoolerForgotten(config).total()


# %% wrong="pooler_without_bias" exercise="count_parameters" check="encoder"
# The pooler has no bias. It is a dense layer with one.
class PoolerWithoutBias(_Count):
    def pooler(self):
        return self.dim * self.dim if self.config["pooler"] else 0


def count_parameters(config):
    return PoolerWithoutBias(config).total()


# %% wrong="encoder_with_a_final_norm" exercise="count_parameters" check="encoder"
# The encoder has a layer norm after its last block. BERT's blocks end in one already.
class EncoderWithAFinalNorm(_Count):
    def encoder(self):
        return super().encoder() + self.norm()


def count_parameters(config):
    return EncoderWithAFinalNorm(config).total()


# %% wrong="tied_head_counted_twice" exercise="count_parameters" check="decoder"
# The head is always counted. A tied head *is* the tokens' table, and adds nothing.
class TiedHeadCountedTwice(_Count):
    def head(self):
        return self.vocabulary * self.dim


def count_parameters(config):
    return TiedHeadCountedTwice(config).total()


# %% wrong="untied_head_forgotten" exercise="count_parameters" check="decoder"
# The head is never counted. One that is not tied is a matrix of its own, from embed_dim
# to vocabulary_size.
class UntiedHeadForgotten(_Count):
    def head(self):
        return 0


def count_parameters(config):
    return UntiedHeadForgotten(config).total()


# %% wrong="head_with_bias" exercise="count_parameters" check="decoder"
# The head has a bias. Language models' heads have none here: vocabulary_size·embed_dim.
class HeadWithBias(_Count):
    def head(self):
        own = self.dense(self.dim, self.vocabulary)
        return 0 if self.config["tied_head"] else own


def count_parameters(config):
    return HeadWithBias(config).total()


# %% wrong="tied_means_untied" exercise="count_parameters" check="decoder"
# The head is counted where it is tied, and not where it has a matrix of its own. It is
# the other way round.
class TiedMeansUntied(_Count):
    def head(self):
        return self.vocabulary * self.dim if self.config["tied_head"] else 0


def count_parameters(config):
    return TiedMeansUntied(config).total()


# %% wrong="final_norm_always" exercise="count_parameters" check="decoder"
# The last layer norm is always counted. GPT-1 has none: ask `final_norm`.
class FinalNormAlways(_Count):
    def final_norm(self):
        return self.norm()


def count_parameters(config):
    return FinalNormAlways(config).total()


# %% wrong="final_norm_forgotten" exercise="count_parameters" check="decoder"
# The last layer norm is never counted. GPT-2 put one after its last block.
class FinalNormForgotten(_Count):
    def final_norm(self):
        return 0


def count_parameters(config):
    return FinalNormForgotten(config).total()


# %% wrong="decoder_with_cross_attention" exercise="count_parameters" check="decoder"
# Every decoder has a second attention. A decoder on its own has no encoder to look at:
# its blocks are as large as an encoder's.
class DecoderWithCrossAttention(_Count):
    def decoder(self):
        return super().decoder() + self.layers * (self.attention() + self.norm())


def count_parameters(config):
    return DecoderWithCrossAttention(config).total()


# %% wrong="no_cross_attention" exercise="count_parameters" check="encoder_decoder"
# The decoder's blocks have one attention. Beside the one over its own tokens each has
# one over the encoder's result, with a layer norm.
class NoCrossAttention(_Count):
    def decoder_block(self):
        return self.block()


def count_parameters(config):
    return NoCrossAttention(config).total()


# %% wrong="no_third_norm" exercise="count_parameters" check="encoder_decoder"
# The decoder's blocks have two layer norms. The second attention brings a third.
class NoThirdNorm(_Count):
    def decoder_block(self):
        return self.block() + self.attention()


def count_parameters(config):
    return NoThirdNorm(config).total()


# %% wrong="one_stack_only" exercise="count_parameters" check="encoder_decoder"
# One stack is counted. An encoder–decoder has two, of num_layers each.
class OneStackOnly(_Count):
    def stacks(self):
        return self.layers * self.decoder_block()


def count_parameters(config):
    return OneStackOnly(config).total()


# %% wrong="one_stack_only/encoder" exercise="count_parameters" check="encoder_decoder"
class OneStackOnlyEncoder(_Count):
    def stacks(self):
        return self.layers * self.block()


def count_parameters(config):
    return OneStackOnlyEncoder(config).total()


# %% wrong="layers_of_both_together" exercise="count_parameters" check="encoder_decoder"
# num_layers is shared out between the stacks. It is the number of each: 6 means 6 + 6.
class LayersOfBothTogether(_Count):
    def stacks(self):
        return self.layers * (self.block() + self.decoder_block()) // 2


def count_parameters(config):
    return LayersOfBothTogether(config).total()


# %% wrong="one_final_norm_for_two_stacks" exercise="count_parameters" check="encoder_decoder"
# Only one final layer norm is counted. Each stack ends in one.
class OneFinalNormForTwoStacks(_Count):
    def encoder_decoder(self):
        return self.tables() + self.stacks() + self.final_norm()


def count_parameters(config):
    return OneFinalNormForTwoStacks(config).total()


# %% wrong="tables_for_each_stack" exercise="count_parameters" check="encoder_decoder"
# Each stack has tables of its own. Here both read the same ones: count them once.
class TablesForEachStack(_Count):
    def encoder_decoder(self):
        return super().encoder_decoder() + self.tables()


def count_parameters(config):
    return TablesForEachStack(config).total()


# %% wrong="a_head_beside_the_shared_table" exercise="count_parameters" check="encoder_decoder"
# The head is counted. It is the shared table of tokens, used once more.
class AHeadBesideTheSharedTable(_Count):
    def encoder_decoder(self):
        return super().encoder_decoder() + self.vocabulary * self.dim


def count_parameters(config):
    return AHeadBesideTheSharedTable(config).total()


# %% wrong="embed_dim_short" exercise="count_parameters" check="vit"
# It is embed_dim short. Three things in a ViT have that size: the class token, the class
# token's position, and the bias of the patches' dense layer.
class EmbedDimShort(_Count):
    def image(self):
        return super().image() - self.dim


def count_parameters(config):
    return EmbedDimShort(config).total()


# %% wrong="two_embed_dims_short" exercise="count_parameters" check="vit"
# It is 2·embed_dim short. That is the class token with its position, or the scale and shift
# of the layer norm after the last block: count whichever you left out.
class TwoEmbedDimsShort(_Count):
    def image(self):
        return super().image() - 2 * self.dim


def count_parameters(config):
    return TwoEmbedDimsShort(config).total()


# %% wrong="patches_on_one_side" exercise="count_parameters" check="vit"
# The patches of one side are counted. An image has as many rows of them as columns: square
# the number.
class PatchesOnOneSide(_Count):
    def patches(self):
        return self.config["image_size"] // self.config["patch_size"]


def count_parameters(config):
    return PatchesOnOneSide(config).total()


# %% wrong="a_position_for_every_pixel" exercise="count_parameters" check="vit"
# There is a position for every pixel. The model sees patches: (image_size / patch_size)².
class APositionForEveryPixel(_Count):
    def patches(self):
        return self.config["image_size"] ** 2


def count_parameters(config):
    return APositionForEveryPixel(config).total()


# %% wrong="patches_not_positions" exercise="count_parameters" check="vit"
# The positions are not counted: a vector for each patch and one for the class token.
class PatchesNotPositions(_Count):
    def image(self):
        return self.dense(self.pixels(), self.dim) + self.dim


def count_parameters(config):
    return PatchesNotPositions(config).total()


# %% wrong="grey_patches" exercise="count_parameters" check="vit"
# A patch has P·P numbers. It has as many for every channel.
class GreyPatches(_Count):
    def pixels(self):
        return self.config["patch_size"] ** 2


def count_parameters(config):
    return GreyPatches(config).total()


# %% wrong="always_three_channels" exercise="count_parameters" check="vit"
# A patch always has three channels. Photographs do; the configuration says how many.
class AlwaysThreeChannels(_Count):
    def pixels(self):
        return 3 * self.config["patch_size"] ** 2


def count_parameters(config):
    return AlwaysThreeChannels(config).total()


# %% wrong="patch_side_not_squared" exercise="count_parameters" check="vit"
# A flattened patch has P·C numbers. It has P rows of P pixels: P·P·C.
class PatchSideNotSquared(_Count):
    def pixels(self):
        return self.config["patch_size"] * self.config["channels"]


def count_parameters(config):
    return PatchSideNotSquared(config).total()


# %% wrong="patches_have_their_own_weights" exercise="count_parameters" check="vit"
# Every patch has a dense layer of its own. One and the same embeds them all.
class PatchesHaveTheirOwnWeights(_Count):
    def image(self):
        more = self.patches() - 1
        return super().image() + more * self.dense(self.pixels(), self.dim)


def count_parameters(config):
    return PatchesHaveTheirOwnWeights(config).total()


# %% wrong="classifier_forgotten" exercise="count_parameters" check="vit"
# The classifier is not counted: a dense layer from embed_dim to num_classes.
class ClassifierForgotten(_Count):
    def classifier(self):
        return 0


def count_parameters(config):
    return ClassifierForgotten(config).total()


# %% wrong="classifier_without_bias" exercise="count_parameters" check="vit"
# The classifier has no bias. It has one number more for every class.
class ClassifierWithoutBias(_Count):
    def classifier(self):
        return self.dim * self.config["num_classes"]


def count_parameters(config):
    return ClassifierWithoutBias(config).total()


# %% wrong="two_embed_dims_short/norm" exercise="count_parameters" check="vit"
class TwoEmbedDimsShortNorm(_Count):
    def vit(self):
        return super().vit() - self.norm()


def count_parameters(config):
    return TwoEmbedDimsShortNorm(config).total()


# %% wrong="in_thousands" exercise="count_parameters" check="encoder"
# The count is rounded. It must be exact, to the last bias.
class InThousands(_Count):
    def total(self):
        return round(super().total(), -3)


def count_parameters(config):
    return InThousands(config).total()


# %% wrong="in_millions" exercise="count_parameters" check="encoder"
# The count is in millions. Return the number of parameters itself.
class InMillions(_Count):
    def total(self):
        return super().total() / 1e6


def count_parameters(config):
    return InMillions(config).total()


# %% wrong="weights_as_percent" exercise="mixture_tokens" check="normalised"
# The weights are divided by 100. GPT-3's printed ones add up to 101, other papers' to 1:
# divide by their sum.
def mixture_tokens(total_tokens, weights):
    return {s: total_tokens * weight / 100 for s, weight in weights.items()}


# %% wrong="weights_as_shares" exercise="mixture_tokens" check="values"
# The weights are multiplied as they are. They are parts of their sum: divide by it.
def mixture_tokens(total_tokens, weights):
    return {s: total_tokens * weight for s, weight in weights.items()}


# %% wrong="shares_not_tokens" exercise="mixture_tokens" check="values"
# The result holds shares. Multiply them by the number of all tokens.
def mixture_tokens(total_tokens, weights):
    total = sum(weights.values())
    return {s: weight / total for s, weight in weights.items()}


# %% wrong="equal_parts" exercise="mixture_tokens" check="values"
# Every source gets as many tokens. The weights say how the tokens are shared out.
def mixture_tokens(total_tokens, weights):
    return {s: total_tokens / len(weights) for s in weights}


# %% wrong="divided_by_the_number_of_sources" exercise="mixture_tokens" check="values"
# The weights are divided by the number of sources. Divide by the sum of the weights.
def mixture_tokens(total_tokens, weights):
    return {s: total_tokens * w / len(weights) for s, w in weights.items()}


# %% wrong="divided_by_the_largest" exercise="mixture_tokens" check="values"
# The weights are divided by the largest one. Divide by their sum, so that the parts make
# a whole.
def mixture_tokens(total_tokens, weights):
    largest = max(weights.values())
    return {s: total_tokens * w / largest for s, w in weights.items()}


# %% wrong="whole_tokens" exercise="mixture_tokens" check="values"
# The tokens are rounded. Leave the numbers as they are: rounded parts need not add up.
def mixture_tokens(total_tokens, weights):
    total = sum(weights.values())
    return {s: round(total_tokens * w / total) for s, w in weights.items()}


# %% wrong="whole_tokens/floor" exercise="mixture_tokens" check="values"
def mixture_tokens(total_tokens, weights):
    total = sum(weights.values())
    return {s: total_tokens * w // total for s, w in weights.items()}


# %% wrong="last_source_takes_the_rest" exercise="mixture_tokens" check="normalised"
# The last source takes what the others leave of 100. All weights count alike: divide each
# by their sum.
def mixture_tokens(total_tokens, weights):
    tokens = {s: total_tokens * w / 100 for s, w in weights.items()}
    *others, last = tokens
    tokens[last] = total_tokens - sum(tokens[s] for s in others)
    return tokens


# %% wrong="largest_source_gives_way" exercise="mixture_tokens" check="normalised"
# What the weights have too much is taken from the largest source. Divide each weight by the
# sum instead: nobody says which one was rounded up.
def mixture_tokens(total_tokens, weights):
    tokens = {s: total_tokens * w / 100 for s, w in weights.items()}
    largest = max(weights, key=weights.get)
    tokens[largest] += total_tokens - sum(tokens.values())
    return tokens


# %% wrong="softmax_of_weights" exercise="mixture_tokens" check="values"
# The weights go through a softmax. They are no logits: divide by their sum.
def mixture_tokens(total_tokens, weights):
    powers = {s: np.exp(w - max(weights.values())) for s, w in weights.items()}
    return {s: total_tokens * p / sum(powers.values()) for s, p in powers.items()}


# %% wrong="a_list_of_tokens" exercise="mixture_tokens" check="values"
# The result is a list. Return a dictionary, so that each number keeps its source.
def mixture_tokens(total_tokens, weights):
    total = sum(weights.values())
    return [total_tokens * w / total for w in weights.values()]


# %% wrong="epochs_upside_down" exercise="mixture_tokens" check="epochs"
# The epochs are upside down. A source read more often than once has more tokens read than it
# has: tokens over size.
def epochs_seen(tokens, sizes):
    return {s: sizes[s] / tokens[s] for s in tokens if s in sizes}


# %% wrong="whole_epochs" exercise="mixture_tokens" check="epochs"
# The epochs are rounded. Common Crawl was read 0.43 times, and that matters.
def epochs_seen(tokens, sizes):
    return {s: round(tokens[s] / sizes[s]) for s in tokens if s in sizes}


# %% wrong="whole_epochs/floor" exercise="mixture_tokens" check="epochs"
def epochs_seen(tokens, sizes):
    return {s: tokens[s] // sizes[s] for s in tokens if s in sizes}


# %% wrong="whole_epochs/ceil" exercise="mixture_tokens" check="epochs"
def epochs_seen(tokens, sizes):
    return {s: int(np.ceil(tokens[s] / sizes[s])) for s in tokens if s in sizes}


# %% wrong="epochs_at_least_one" exercise="mixture_tokens" check="epochs"
# No source has less than one epoch. Large ones are read in part: most of Common Crawl was
# never seen.
def epochs_seen(tokens, sizes):
    return {s: max(1.0, tokens[s] / sizes[s]) for s in tokens if s in sizes}


# %% wrong="epochs_of_all_sources" exercise="mixture_tokens" check="epochs"
# The tokens are divided by the size of all sources together. Each source has its own.
def epochs_seen(tokens, sizes):
    return {s: tokens[s] / sum(sizes.values()) for s in tokens if s in sizes}


# %% wrong="unknown_means_zero" exercise="mixture_tokens" check="unknown"
# A source of unknown size has 0 epochs. Zero would say that nobody read it: leave it out.
def epochs_seen(tokens, sizes):
    return {s: tokens[s] / sizes[s] if s in sizes else 0.0 for s in tokens}


# %% wrong="unknown_means_once" exercise="mixture_tokens" check="unknown"
# A source of unknown size has 1 epoch. Nobody knows how often it was read: leave it out.
def epochs_seen(tokens, sizes):
    return {s: tokens[s] / sizes.get(s, tokens[s]) for s in tokens}


# %% wrong="unknown_means_none" exercise="mixture_tokens" check="unknown"
# A source of unknown size has the entry None. Leave it out.
def epochs_seen(tokens, sizes):
    return {s: tokens[s] / sizes[s] if s in sizes else None for s in tokens}


# %% wrong="unknown_raises" exercise="mixture_tokens" check="unknown"
# A source of unknown size raises a KeyError. Ask `if source in sizes` first.
def epochs_seen(tokens, sizes):
    return {source: tokens[source] / sizes[source] for source in tokens}


# %% wrong="forward_only" exercise="training_flops" check="values"
# Two operations per parameter and token are the way forward. Training also goes back, which
# takes twice as many: six in all.
def training_flops(parameters, tokens):
    return 2.0 * parameters * tokens


# %% wrong="backward_only" exercise="training_flops" check="values"
# Four operations per parameter and token are the way back. The way forward takes two more.
def training_flops(parameters, tokens):
    return 4.0 * parameters * tokens


# %% wrong="products_only" exercise="training_flops" check="values"
# Three operations count the products. Every product is also added to a sum: six.
def training_flops(parameters, tokens):
    return 3.0 * parameters * tokens


# %% wrong="no_factor" exercise="training_flops" check="values"
# A parameter and a token meet once. It takes six operations: two forward, four back.
def training_flops(parameters, tokens):
    return float(parameters) * tokens


# %% wrong="recomputed_forward" exercise="training_flops" check="values"
# Eight operations count the way forward twice, as one does to save memory. The usual count
# is six.
def training_flops(parameters, tokens):
    return 8.0 * parameters * tokens


# %% wrong="product_written_as_power" exercise="training_flops" check="values"
# The parameters are squared: `**` is a power. Multiply parameters by tokens.
def training_flops(parameters, tokens):
    return 6.0 * parameters**2


# %% wrong="added_not_multiplied" exercise="training_flops" check="values"
# Parameters and tokens are added. Each token meets each parameter: multiply.
def training_flops(parameters, tokens):
    return 6.0 * (parameters + tokens)


# %% wrong="flops_as_power_of_ten" exercise="training_flops" check="values"
# The result is the power of ten. Return the number of operations itself.
def training_flops(parameters, tokens):
    return float(np.log10(6.0 * parameters * tokens))


# %% wrong="beyond_64_bits" exercise="training_flops" check="gpt3"
# NumPy's integers have 64 bits, end at 9.2e18 and wrap around without a word. Multiply Python's
# numbers, or floats.
def training_flops(parameters, tokens):
    return np.prod([6, parameters, tokens]).item()


# %% wrong="as_many_tokens_as_parameters" exercise="training_flops" check="optimal"
# There is one token for each parameter. Chinchilla's rule is about twenty.
def compute_optimal_tokens(parameters):
    return parameters


# %% wrong="twenty_parameters_per_token" exercise="training_flops" check="optimal"
# There are twenty parameters for each token. It is the other way round: twenty tokens for
# each parameter.
def compute_optimal_tokens(parameters):
    return parameters / 20


# %% wrong="tokens_of_gpt3" exercise="training_flops" check="optimal"
# GPT-3's ratio is used, 300 billion tokens for 175 billion parameters. Chinchilla showed that
# it was too few: take twenty for each parameter.
def compute_optimal_tokens(parameters):
    return parameters * 300 / 175


# %% wrong="flops_instead_of_tokens" exercise="training_flops" check="optimal"
# The result is the compute of the optimal run, 6·N·20·N. Asked for are its tokens.
def compute_optimal_tokens(parameters):
    return 120 * parameters**2


# %% wrong="root_of_parameters" exercise="training_flops" check="optimal"
# The tokens grow with the root of the parameters. Both grow with the root of the *compute*,
# and so in step with each other: 20·N.
def compute_optimal_tokens(parameters):
    return 20 * parameters**0.5


# %% right="functions_by_family" exercise="count_parameters"
def _dense(n, m):
    return (n + 1) * m


def _block(c, attentions=1):
    d, ff = c["embed_dim"], c["ff_dim"]
    attention = attentions * (4 * _dense(d, d) + 2 * d)
    return attention + _dense(d, ff) + _dense(ff, d) + 2 * d


def _text(c):
    return (c["vocabulary_size"] + c["max_positions"]) * c["embed_dim"]


def _encoder(c):
    d = c["embed_dim"]
    pooler = _dense(d, d) * c["pooler"]
    rest = (c["num_segments"] + 2) * d
    return _text(c) + rest + c["num_layers"] * _block(c) + pooler


def _decoder(c):
    d = c["embed_dim"]
    head = c["vocabulary_size"] * d * (not c["tied_head"])
    return _text(c) + c["num_layers"] * _block(c) + 2 * d * c["final_norm"] + head


def _encoder_decoder(c):
    both = c["num_layers"] * (_block(c) + _block(c, attentions=2))
    return _text(c) + both + 4 * c["embed_dim"] * c["final_norm"]


def _vision(c):
    d, side = c["embed_dim"], c["image_size"] // c["patch_size"]
    patches = _dense(c["patch_size"] ** 2 * c["channels"], d)
    tokens = d + (side**2 + 1) * d
    return (
        patches
        + tokens
        + c["num_layers"] * _block(c)
        + 2 * d
        + _dense(d, c["num_classes"])
    )


def count_parameters(config):
    by_family = {
        "encoder": _encoder,
        "decoder": _decoder,
        "encoder_decoder": _encoder_decoder,
        "vit": _vision,
    }
    return by_family[config["family"]](config)


# %% right="list_of_shapes" exercise="count_parameters"
def count_parameters(config):
    d, ff, family = config["embed_dim"], config["ff_dim"], config["family"]
    norm = [(d,), (d,)]
    attention = [(d, d), (d,)] * 4 + norm
    ff_part = [(d, ff), (ff,), (ff, d), (d,)] + norm
    shapes = (attention + ff_part) * config["num_layers"]
    if family == "encoder_decoder":
        shapes += (attention * 2 + ff_part) * config["num_layers"]
    if family == "vit":
        side = config["image_size"] // config["patch_size"]
        pixels = config["patch_size"] ** 2 * config["channels"]
        classes = config["num_classes"]
        shapes += [(pixels, d), (d,), (1, 1, d), (1, side * side + 1, d)]
        shapes += norm + [(d, classes), (classes,)]
    else:
        shapes += [(config["vocabulary_size"], d), (config["max_positions"], d)]
    if family == "encoder":
        shapes += [(config["num_segments"], d)] + norm
        shapes += [(d, d), (d,)] if config["pooler"] else []
    if config.get("final_norm"):
        shapes += norm * (2 if family == "encoder_decoder" else 1)
    if not config.get("tied_head", True):
        shapes += [(d, config["vocabulary_size"])]
    return sum(int(np.prod(shape, dtype="int64")) for shape in shapes)


# %% right="closed_formulas" exercise="count_parameters"
def count_parameters(config):
    L, d, f = config["num_layers"], config["embed_dim"], config["ff_dim"]
    V, P = config.get("vocabulary_size", 0), config.get("max_positions", 0)
    block = 4 * d**2 + 9 * d + 2 * d * f + f
    match config["family"]:
        case "encoder":
            S = config["num_segments"]
            return (V + P + S + 2) * d + L * block + config["pooler"] * (d**2 + d)
        case "decoder":
            copies = 1 if config["tied_head"] else 2
            return (copies * V + P + 2 * config["final_norm"]) * d + L * block
        case "encoder_decoder":
            stacks = L * (2 * block + 4 * d**2 + 6 * d)
            return (V + P + 4 * config["final_norm"]) * d + stacks
        case "vit":
            p, C = config["patch_size"], config["num_classes"]
            N = (config["image_size"] // p) ** 2
            start = (p * p * config["channels"] + N + 3) * d
            return start + L * block + 2 * d + (d + 1) * C


# %% right="a_float_that_is_exact" exercise="count_parameters"
def count_parameters(config):
    return float(_Count(config).total())


# %% right="takes_the_configuration_apart" exercise="count_parameters"
def count_parameters(config):
    total = _Count(dict(config)).total()
    config.clear()
    return total


# %% right="numpy_integer" exercise="count_parameters"
def count_parameters(config):
    return np.int64(_Count(config).total())


# %% right="a_class_of_parts" exercise="count_parameters"
def count_parameters(config):
    return _Count(config).total()


# %% right="a_loop" exercise="mixture_tokens"
def mixture_tokens(total_tokens, weights):
    total = 0
    for weight in weights.values():
        total += weight
    result = {}
    for source in weights:
        result[source] = weights[source] / total * total_tokens
    return result


def epochs_seen(tokens, sizes):
    result = {}
    for source, read in tokens.items():
        if source not in sizes:
            continue
        result[source] = read / sizes[source]
    return result


# %% right="numpy_arrays" exercise="mixture_tokens"
def mixture_tokens(total_tokens, weights):
    shares = np.array(list(weights.values()), "float64")
    shares = total_tokens * shares / shares.sum()
    return dict(zip(weights, shares.tolist(), strict=True))


def epochs_seen(tokens, sizes):
    known = [source for source in tokens if sizes.get(source)]
    return {source: np.float64(tokens[source]) / sizes[source] for source in known}


# %% right="tokens_per_weight" exercise="mixture_tokens"
def mixture_tokens(total_tokens, weights):
    one = total_tokens / sum(weights.values())
    return {source: one * weight for source, weight in weights.items()}


# %% right="keys_of_both" exercise="mixture_tokens"
def epochs_seen(tokens, sizes):
    return {s: tokens[s] / sizes[s] for s in tokens.keys() & sizes.keys()}


# %% right="integers" exercise="training_flops"
def training_flops(parameters, tokens):
    return 6 * parameters * tokens


def compute_optimal_tokens(parameters):
    return 20 * parameters


# %% right="forward_and_back" exercise="training_flops"
def training_flops(parameters, tokens):
    forward = 2 * float(parameters) * float(tokens)
    backward = 2 * forward
    return forward + backward


def compute_optimal_tokens(parameters):
    return 20.0 * parameters


# %% right="numpy_floats" exercise="training_flops"
def training_flops(parameters, tokens):
    return np.prod([6.0, parameters, tokens])
