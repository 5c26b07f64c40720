# %% [markdown]
# DNA as tokens, as it really comes back: implementations that are wrong in one way each,
# and right ones in other styles. A cell runs after the reference notebook's cells and
# redefines one object; the comment at its top is the hint a student gets, and the marker
# names the check that the mistake must lose.

# %% role="shared"
class _Kmers(keras.layers.Layer):
    """A right KmerTokenizer, of which each cell below changes one thing."""

    def __init__(self, k, sequence_length, **kwargs):
        super().__init__(**kwargs)
        self.k = k
        self.sequence_length = sequence_length

    @property
    def room(self):
        return self.sequence_length - 2

    def cut(self, bases):
        """As many bases as are used, -1 where there are none: (B, room + k - 1)."""
        used = self.room + self.k - 1
        short = max(0, used - bases.shape[1])
        return ops.pad(bases[:, :used], ((0, 0), (0, short)), constant_values=-1)

    def digits(self, bases):
        """Base i of every k-mer, for each i: k of (B, room)."""
        return [bases[:, i : i + self.room] for i in range(self.k)]

    def number(self, digits):
        total = ops.zeros_like(digits[0])
        for i, digit in enumerate(digits):
            total = total + digit * 4 ** (self.k - 1 - i)
        return total + 5

    def is_unknown(self, digits):
        return ops.any(ops.stack([ops.equal(d, 4) for d in digits]), axis=0)

    def count(self, bases):
        real = ops.sum(ops.cast(ops.not_equal(bases, -1), "int32"), axis=1)
        return ops.clip(real - self.k + 1, 0, self.room)[:, None]

    def ids(self, bases):
        digits = self.digits(bases)
        return ops.where(self.is_unknown(digits), 1, self.number(digits))

    def frame(self, ids, count):
        """[CLS], the ids of as many k-mers as there are, [SEP], [PAD]."""
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.pad(ids, ((0, 0), (1, 1)))
        tokens = ops.where(ops.less_equal(place, count), tokens, 0)
        tokens = ops.where(ops.equal(place, count + 1), 3, tokens)
        return ops.where(ops.equal(place, 0), 2, tokens)

    def call(self, bases):
        bases = self.cut(bases)
        return ops.cast(self.frame(self.ids(bases), self.count(bases)), "int32")

    def compute_mask(self, bases, mask=None):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        return ops.less(place, self.count(bases) + 2)

    def get_config(self):
        config = {"k": self.k, "sequence_length": self.sequence_length}
        return {**super().get_config(), **config}


def _spread(token_ids, centers, offsets):
    """Centres shifted by each offset and joined: (B, T)."""
    length = token_ids.shape[1]
    near = ops.zeros_like(token_ids, dtype="bool")
    for offset in offsets:
        before, after = max(offset, 0), max(-offset, 0)
        padded = ops.pad(ops.cast(centers, "int32"), ((0, 0), (before, after)))
        near = ops.logical_or(near, padded[:, after : after + length] > 0)
    return near


def _offsets(k):
    return range(-((k - 1) // 2), k // 2 + 1)


# %% wrong="kmers_side_by_side" exercise="split_kmers" check="values"
# The k-mers stand side by side and do not overlap: the step is k. DNABERT's windows move on
# by one base at a time.
def split_kmers(sequence, k):
    return [sequence[i : i + k] for i in range(0, len(sequence) - k + 1, k)]


# %% wrong="last_kmer_missing" exercise="split_kmers" check="values"
# The last k-mer is missing. A sequence of L bases has L - k + 1 windows, so the last one
# starts at L - k, and `range` stops before its end.
def split_kmers(sequence, k):
    return [sequence[i : i + k] for i in range(len(sequence) - k)]


# %% wrong="windows_run_over" exercise="split_kmers" check="values"
# The last windows run over the end of the sequence and are shorter than k. Stop at the
# last start that leaves room for k bases.
def split_kmers(sequence, k):
    return [sequence[i : i + k] for i in range(len(sequence))]


# %% wrong="windows_too_long" exercise="split_kmers" check="values"
# Each window has k + 1 bases. A slice ends before its second index: `i : i + k` has k.
def split_kmers(sequence, k):
    return [sequence[i : i + k + 1] for i in range(len(sequence) - k + 1)]


# %% wrong="every_second_kmer" exercise="split_kmers" check="values"
# Every second window is left out. The windows move on by a single base.
def split_kmers(sequence, k):
    return [sequence[i : i + k] for i in range(0, len(sequence) - k + 1, 2)]


# %% wrong="kmers_without_repeats" exercise="split_kmers" check="values"
# A k-mer that occurs twice is listed once. This is a sequence cut into tokens, not a
# vocabulary: every window counts.
def split_kmers(sequence, k):
    kmers = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    return list(dict.fromkeys(kmers))


# %% wrong="kmers_sorted" exercise="split_kmers" check="values"
# The k-mers come in alphabetical order. They must stay in the order of the sequence.
def split_kmers(sequence, k):
    return sorted(sequence[i : i + k] for i in range(len(sequence) - k + 1))


# %% wrong="kmers_from_the_right" exercise="split_kmers" check="values"
# The k-mers come from right to left. Start at the sequence's first base.
def split_kmers(sequence, k):
    return [sequence[i : i + k] for i in range(len(sequence) - k, -1, -1)]


# %% wrong="kmers_joined" exercise="split_kmers" check="values"
# The result is one string with spaces, as DNABERT's files have it. Return a list of
# strings.
def split_kmers(sequence, k):
    return " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))


# %% wrong="kmers_as_generator" exercise="split_kmers" check="values"
# The result is a generator, which can be read once and has no length. Square brackets make a
# list of it.
def split_kmers(sequence, k):
    return (sequence[i : i + k] for i in range(len(sequence) - k + 1))


# %% wrong="kmers_of_clear_bases_only" exercise="split_kmers" check="values"
# K-mers with an unknown base (N) are left out. Here they stay; it is the tokenizer's task to
# call them [UNK], and a missing one would shift all that follow.
def split_kmers(sequence, k):
    kmers = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    return [kmer for kmer in kmers if set(kmer) <= set("ATCG")]


# %% wrong="short_sequence_kept_whole" exercise="split_kmers" check="ends"
# A sequence shorter than k is returned as a token of its own. It has no k-mer: the list is
# empty.
def split_kmers(sequence, k):
    if len(sequence) < k:
        return [sequence]
    return [sequence[i : i + k] for i in range(len(sequence) - k + 1)]


# %% wrong="exact_length_left_out" exercise="split_kmers" check="ends"
# A sequence of exactly k bases comes out empty. It has one k-mer, itself: look at the
# comparison of the length with k.
def split_kmers(sequence, k):
    if len(sequence) <= k:
        return []
    return [sequence[i : i + k] for i in range(len(sequence) - k + 1)]


# %% wrong="short_sequence_raises" exercise="split_kmers" check="ends"
# A sequence shorter than k raises an error. Among thousands of sequences there is always a
# short one: it has no k-mers, and the list is empty.
def split_kmers(sequence, k):
    if len(sequence) < k:
        raise ValueError(f"{len(sequence)} bases are fewer than k = {k}.")
    return [sequence[i : i + k] for i in range(len(sequence) - k + 1)]


# %% wrong="short_sequence_gives_none" exercise="split_kmers" check="ends"
# A sequence shorter than k gives None. Return an empty list, so that whoever loops over the
# result need not ask first.
def split_kmers(sequence, k):
    if len(sequence) >= k:
        return [sequence[i : i + k] for i in range(len(sequence) - k + 1)]


# %% wrong="bases_in_alphabetical_order" exercise="kmer_vocabulary" check="values"
# The bases are in alphabetical order, A, C, G, T. DNABERT's order is A, T, C, G, and its
# weights are of no use under any other.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + ["".join(p) for p in itertools.product("ACGT", repeat=k)]


# %% wrong="first_base_fastest" exercise="kmer_vocabulary" check="values"
# The first base changes fastest: AAA, TAA, CAA. It must change most slowly, like the highest
# digit of a number: AAA, AAT, AAC.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + ["".join(p)[::-1] for p in itertools.product("ATCG", repeat=k)]


# %% wrong="no_special_tokens" exercise="kmer_vocabulary" check="values"
# The special tokens are missing. They come first and take the ids 0 to 4.
def kmer_vocabulary(k):
    return ["".join(p) for p in itertools.product("ATCG", repeat=k)]


# %% wrong="special_tokens_last" exercise="kmer_vocabulary" check="values"
# The special tokens come last. They come first: [PAD] has the id 0 whatever k is.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return ["".join(p) for p in itertools.product("ATCG", repeat=k)] + special


# %% wrong="special_tokens_in_other_order" exercise="kmer_vocabulary" check="values"
# The special tokens are in another order. It is [PAD] [UNK] [CLS] [SEP] [MASK].
def kmer_vocabulary(k):
    special = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"]
    return special + ["".join(p) for p in itertools.product("ATCG", repeat=k)]


# %% wrong="no_mask_token" exercise="kmer_vocabulary" check="values"
# [MASK] is missing, so every k-mer's id is one too small.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    return special + ["".join(p) for p in itertools.product("ATCG", repeat=k)]


# %% wrong="kmers_as_tuples" exercise="kmer_vocabulary" check="values"
# The k-mers are tuples of letters, as `itertools.product` makes them. Join each into a
# string.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + list(itertools.product("ATCG", repeat=k))


# %% wrong="no_base_twice" exercise="kmer_vocabulary" check="values"
# K-mers that hold a base twice, such as AAT, are missing: `permutations` draws without putting
# back. There are 4^k k-mers.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + ["".join(p) for p in itertools.permutations("ATCG", k)]


# %% wrong="order_does_not_matter" exercise="kmer_vocabulary" check="values"
# AT and TA are counted as one. The order of the bases matters: there are 4^k k-mers.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    drawn = itertools.combinations_with_replacement("ATCG", k)
    return special + ["".join(p) for p in drawn]


# %% wrong="vocabulary_with_n" exercise="kmer_vocabulary" check="values"
# The vocabulary has a fifth letter, N. K-mers with an unknown base have no id of their own,
# they are all [UNK].
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + ["".join(p) for p in itertools.product("ATCGN", repeat=k)]


# %% wrong="shorter_kmers_too" exercise="kmer_vocabulary" check="values"
# Shorter k-mers are in the list as well. All tokens of one vocabulary have the same k.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    sizes = range(1, k + 1)
    kmers = ["".join(p) for n in sizes for p in itertools.product("ATCG", repeat=n)]
    return special + kmers


# %% wrong="vocabulary_as_dictionary" exercise="kmer_vocabulary" check="values"
# The result is a dictionary from token to id. Return the list of tokens; a token's id is its
# place in it.
def kmer_vocabulary(k):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = special + ["".join(p) for p in itertools.product("ATCG", repeat=k)]
    return {token: i for i, token in enumerate(tokens)}


# %% wrong="lowest_digit_first" exercise="kmer_tokenizer" check="values"
# The k-mer is read as a number from the wrong end: the first base must be the highest digit,
# worth 4^(k-1), and the last one worth 1.
class KmerTokenizer(_Kmers):
    def number(self, digits):
        return sum(digit * 4**i for i, digit in enumerate(digits)) + 5


# %% wrong="ids_start_at_zero" exercise="kmer_tokenizer" check="values"
# The k-mers' ids start at 0 and collide with the special tokens. The first k-mer, all A, has
# the id 5.
class KmerTokenizer(_Kmers):
    def number(self, digits):
        return super().number(digits) - 5


# %% wrong="ids_start_at_four" exercise="kmer_tokenizer" check="values"
# The k-mers' ids start at 4, which is [MASK]. There are five special tokens, so the first
# k-mer has the id 5.
class KmerTokenizer(_Kmers):
    def number(self, digits):
        return super().number(digits) - 1


# %% wrong="base_five" exercise="kmer_tokenizer" check="values"
# The k-mer is read as a number in base 5. There are four bases; the unknown one makes the
# whole k-mer [UNK] and needs no digit.
class KmerTokenizer(_Kmers):
    def number(self, digits):
        total = ops.zeros_like(digits[0])
        for digit in digits:
            total = total * 5 + digit
        return total + 5


# %% wrong="tokens_side_by_side" exercise="kmer_tokenizer" check="values"
# The windows stand side by side: they move on by k bases. They must move on by one.
class KmerTokenizer(_Kmers):
    def cut(self, bases):
        used = self.room * self.k
        short = max(0, used - bases.shape[1])
        return ops.pad(bases[:, :used], ((0, 0), (0, short)), constant_values=-1)

    def digits(self, bases):
        return [bases[:, i :: self.k] for i in range(self.k)]

    def count(self, bases):
        real = ops.sum(ops.cast(ops.not_equal(bases, -1), "int32"), axis=1)
        return ops.clip(real // self.k, 0, self.room)[:, None]


# %% wrong="no_cls" exercise="kmer_tokenizer" check="values"
# [CLS] is missing at the front: the k-mers start in the first column.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.pad(ids, ((0, 0), (0, 2)))
        tokens = ops.where(ops.less(place, count), tokens, 0)
        return ops.where(ops.equal(place, count), 3, tokens)


# %% wrong="no_sep" exercise="kmer_tokenizer" check="values"
# [SEP] is missing after the last k-mer.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.pad(ids, ((0, 0), (1, 1)))
        tokens = ops.where(ops.less_equal(place, count), tokens, 0)
        return ops.where(ops.equal(place, 0), 2, tokens)


# %% wrong="cls_and_sep_swapped" exercise="kmer_tokenizer" check="values"
# [CLS] and [SEP] have changed places: 2 is [CLS] and stands in front, 3 is [SEP] and ends the
# sequence.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        tokens = super().frame(ids, count)
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.where(ops.equal(place, count + 1), 2, tokens)
        return ops.where(ops.equal(place, 0), 3, tokens)


# %% wrong="first_kmer_lost" exercise="kmer_tokenizer" check="values"
# [CLS] is written over the first k-mer. The k-mers move one column to the right to make room
# for it.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.pad(ids, ((0, 0), (0, 2)))
        tokens = ops.where(ops.less(place, count), tokens, 0)
        tokens = ops.where(ops.equal(place, count), 3, tokens)
        return ops.where(ops.equal(place, 0), 2, tokens)


# %% wrong="room_for_bases_not_kmers" exercise="kmer_tokenizer" check="values"
# The bases are cut to the number of k-mers that fit. But n k-mers need n + k - 1 bases, so
# the last ones get lost.
class KmerTokenizer(_Kmers):
    def cut(self, bases):
        return super().cut(bases[:, : self.room])


# %% wrong="sep_in_last_column" exercise="kmer_tokenizer" check="ends"
# [SEP] always stands in the last column. It follows the last k-mer of its row, and [PAD]s
# follow it.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        tokens = super().frame(ids, count)
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.where(ops.equal(place, count + 1), 0, tokens)
        return ops.where(ops.equal(place, self.sequence_length - 1), 3, tokens)


# %% wrong="sep_cut_off" exercise="kmer_tokenizer" check="ends"
# In a sequence that is too long, [SEP] is cut off together with the k-mers. At most
# sequence_length - 2 k-mers fit, so that [CLS] and [SEP] always have their places.
class KmerTokenizer(_Kmers):
    @property
    def room(self):
        return self.sequence_length - 1

    def frame(self, ids, count):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        tokens = ops.pad(ids, ((0, 0), (1, 0)))
        tokens = ops.where(ops.less_equal(place, count), tokens, 0)
        tokens = ops.where(ops.equal(place, count + 1), 3, tokens)
        return ops.where(ops.equal(place, 0), 2, tokens)


# %% wrong="cut_at_the_front" exercise="kmer_tokenizer" check="ends"
# Of a sequence that is too long the end is kept. Keep the first k-mers, and drop the rest.
class KmerTokenizer(_Kmers):
    def cut(self, bases):
        used = self.room + self.k - 1
        return super().cut(bases[:, max(0, bases.shape[1] - used) :])


# %% wrong="all_rows_full" exercise="kmer_tokenizer" check="ends"
# All rows are treated as if they were as long as the longest: -1 is not looked at. A row's
# k-mers end where its bases end.
class KmerTokenizer(_Kmers):
    def count(self, bases):
        count = min(max(bases.shape[1] - self.k + 1, 0), self.room)
        return ops.full_like(bases[:, :1], count)


# %% wrong="kmers_counted_as_bases" exercise="kmer_tokenizer" check="ends"
# A row's k-mers are counted as its bases are: k - 1 too many, which reach past the end. L
# bases have L - k + 1 k-mers.
class KmerTokenizer(_Kmers):
    def count(self, bases):
        real = ops.sum(ops.cast(ops.not_equal(bases, -1), "int32"), axis=1)
        return ops.clip(real, 0, self.room)[:, None]


# %% wrong="one_kmer_too_few" exercise="kmer_tokenizer" check="ends"
# The last k-mer of each row is missing: L bases have L - k + 1 k-mers, not L - k.
class KmerTokenizer(_Kmers):
    def count(self, bases):
        real = ops.sum(ops.cast(ops.not_equal(bases, -1), "int32"), axis=1)
        return ops.clip(real - self.k, 0, self.room)[:, None]


# %% wrong="unknown_instead_of_pad" exercise="kmer_tokenizer" check="ends"
# After [SEP] stands [UNK]. What follows the end is [PAD], 0.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        tokens = super().frame(ids, count)
        return ops.where(ops.equal(tokens, 0), 1, tokens)


# %% wrong="no_sep_without_kmers" exercise="kmer_tokenizer" check="ends"
# A row too short for a k-mer gets no [SEP], because the number of its k-mers comes out
# negative. It is [CLS] [SEP]: let the number be at least 0.
class KmerTokenizer(_Kmers):
    def count(self, bases):
        real = ops.sum(ops.cast(ops.not_equal(bases, -1), "int32"), axis=1)
        return ops.minimum(real - self.k + 1, self.room)[:, None]


# %% wrong="row_without_kmers_is_padding" exercise="kmer_tokenizer" check="ends"
# A row too short for a k-mer is all [PAD]. It is [CLS] [SEP], so that the classifier has a
# [CLS] to read.
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        return ops.where(ops.equal(count, 0), 0, super().frame(ids, count))


# %% wrong="unknown_is_a_digit" exercise="kmer_tokenizer" check="unknown"
# An unknown base goes into the sum as the digit 4, and the k-mer gets the id of another one.
# Every k-mer that touches a 4 is [UNK].
class KmerTokenizer(_Kmers):
    def is_unknown(self, digits):
        return ops.zeros_like(digits[0], dtype="bool")


# %% wrong="unknown_first_base_only" exercise="kmer_tokenizer" check="unknown"
# Only the first base of each k-mer is looked at. An unknown base spoils all k k-mers that it
# stands in.
class KmerTokenizer(_Kmers):
    def is_unknown(self, digits):
        return ops.equal(digits[0], 4)


# %% wrong="unknown_last_base_only" exercise="kmer_tokenizer" check="unknown"
# Only the last base of each k-mer is looked at. An unknown base spoils all k k-mers that it
# stands in.
class KmerTokenizer(_Kmers):
    def is_unknown(self, digits):
        return ops.equal(digits[-1], 4)


# %% wrong="unknown_only_if_all_are" exercise="kmer_tokenizer" check="unknown"
# A k-mer is taken for unknown only if all its bases are. One is enough: `any`, not `all`.
class KmerTokenizer(_Kmers):
    def is_unknown(self, digits):
        return ops.all(ops.stack([ops.equal(d, 4) for d in digits]), axis=0)


# %% wrong="unknown_spoils_the_row" exercise="kmer_tokenizer" check="unknown"
# One unknown base makes the whole row [UNK]. Only the k k-mers that contain it are lost.
class KmerTokenizer(_Kmers):
    def is_unknown(self, digits):
        unknown = super().is_unknown(digits)
        return ops.logical_or(ops.any(unknown, axis=1, keepdims=True), unknown)


# %% wrong="unknown_is_mask" exercise="kmer_tokenizer" check="unknown"
# Unknown k-mers get the id 4, which is [MASK]. [UNK] is 1.
class KmerTokenizer(_Kmers):
    def ids(self, bases):
        digits = self.digits(bases)
        return ops.where(self.is_unknown(digits), 4, self.number(digits))


# %% wrong="unknown_is_padding" exercise="kmer_tokenizer" check="unknown"
# Unknown k-mers get the id 0, which is [PAD], and so look like the end. [UNK] is 1.
class KmerTokenizer(_Kmers):
    def ids(self, bases):
        digits = self.digits(bases)
        return ops.where(self.is_unknown(digits), 0, self.number(digits))


# %% wrong="unknown_is_an_end" exercise="kmer_tokenizer" check="unknown"
# An unknown base is not counted as a base, so the row ends too early. Its k-mers are [UNK] and
# keep their places; only -1 ends a row.
class KmerTokenizer(_Kmers):
    def count(self, bases):
        known = ops.logical_and(ops.not_equal(bases, -1), ops.not_equal(bases, 4))
        real = ops.sum(ops.cast(known, "int32"), axis=1)
        return ops.clip(real - self.k + 1, 0, self.room)[:, None]


# %% wrong="width_follows_the_input" exercise="kmer_tokenizer" check="shapes"
# The number of tokens follows the length of the input. It is sequence_length, always: a model
# with a position embedding needs a fixed number.
class KmerTokenizer(_Kmers):
    @property
    def room(self):
        return getattr(self, "fits", self.sequence_length - 2)

    def call(self, bases):
        self.fits = bases.shape[1] - self.k + 1
        ids = self.ids(super().cut(bases))
        place = ops.arange(self.fits + 2, dtype="int32")[None]
        count = self.count(bases)
        tokens = ops.pad(ids, ((0, 0), (1, 1)))
        tokens = ops.where(ops.less_equal(place, count), tokens, 0)
        tokens = ops.where(ops.equal(place, count + 1), 3, tokens)
        return ops.where(ops.equal(place, 0), 2, tokens)


# %% wrong="loop_over_the_batch" exercise="kmer_tokenizer" check="shapes"
# A Python loop goes over the rows of the batch. While a model is traced the batch size is
# unknown and there is nothing to loop over; slices work on all rows at once.
class KmerTokenizer(_Kmers):
    def call(self, bases):
        call = super().call
        rows = [call(bases[row : row + 1]) for row in range(bases.shape[0])]
        return ops.concatenate(rows, axis=0)


# %% wrong="numpy_in_call" exercise="kmer_tokenizer" check="shapes"
# `call` turns the bases into a NumPy array. While a model is traced there are no numbers yet;
# stay with `keras.ops`, which also keeps the work on the GPU.
class KmerTokenizer(_Kmers):
    def call(self, bases):
        return super().call(ops.convert_to_tensor(np.array(bases)))


# %% wrong="powers_as_weights" exercise="kmer_tokenizer" check="shapes"
# The powers of 4 are weights of the layer, so an optimizer would train them. They are
# constants: Python's 4**i will do.
class KmerTokenizer(_Kmers):
    def build(self, bases_shape):
        self.powers = self.add_weight(shape=(self.k,), name="powers")
        self.built = True


# %% wrong="ids_through_floats" exercise="kmer_tokenizer" check="precision"
# The sum is computed in the layer's compute dtype. float16 has no 2049 and float32 is no
# place for ids either: stay with int32.
class KmerTokenizer(_Kmers):
    def number(self, digits):
        digits = [ops.cast(digit, self.compute_dtype) for digit in digits]
        return ops.cast(super().number(digits), "int32")


# %% wrong="ids_returned_as_floats" exercise="kmer_tokenizer" check="precision"
# The ids come out as floating-point numbers. An embedding looks up whole numbers: return
# int32.
class KmerTokenizer(_Kmers):
    def call(self, bases):
        return ops.cast(super().call(bases), "float32")


# %% wrong="ids_in_int64" exercise="kmer_tokenizer" check="precision"
# The ids come out as int64. int32 is what is asked, and half the memory.
class KmerTokenizer(_Kmers):
    def call(self, bases):
        return ops.cast(super().call(bases), "int64")


# %% wrong="no_compute_mask" exercise="kmer_tokenizer" check="mask"
# There is no `compute_mask`, so the next layer learns nothing of the padding.
class KmerTokenizer(_Kmers):
    compute_mask = keras.layers.Layer.compute_mask


# %% wrong="mask_of_the_bases" exercise="kmer_tokenizer" check="mask"
# The mask is that of the bases: (B, L). The next layer gets tokens, so it must have
# (B, sequence_length) entries and know of [CLS] and [SEP].
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        return ops.not_equal(bases, -1)


# %% wrong="mask_all_true" exercise="kmer_tokenizer" check="mask"
# The mask is True everywhere. It must be False where the token is [PAD].
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        return ops.ones_like(self.call(bases), dtype="bool")


# %% wrong="mask_inverted" exercise="kmer_tokenizer" check="mask"
# The mask is the wrong way round. True means: there is a token.
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        return ops.equal(self.call(bases), 0)


# %% wrong="mask_without_sep" exercise="kmer_tokenizer" check="mask"
# The mask ends before [SEP]. Only [PAD] is left out; [CLS] and [SEP] are tokens, so the row
# has two more of them than k-mers.
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        place = ops.arange(self.sequence_length, dtype="int32")[None]
        return ops.less(place, self.count(bases) + 1)


# %% wrong="mask_of_kmers_only" exercise="kmer_tokenizer" check="mask"
# The mask is False on [CLS], [SEP] and [UNK]. Only [PAD] is left out.
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        return ops.greater(self.call(bases), 4)


# %% wrong="mask_by_python_comparison" exercise="kmer_tokenizer" check="mask_downstream"
# The mask is made with `==`. On the symbolic tensors of a functional model that is not
# computed but answered at once, with a single False: use `ops.equal` or `ops.not_equal`.
class KmerTokenizer(_Kmers):
    def compute_mask(self, bases, mask=None):
        return ops.logical_not(self.call(bases) == 0)


# %% wrong="config_forgets_length" exercise="kmer_tokenizer" check="config"
# `get_config` leaves out `sequence_length`, so the layer cannot be made anew.
class KmerTokenizer(_Kmers):
    def get_config(self):
        config = super().get_config()
        del config["sequence_length"]
        return config


# %% wrong="center_only" exercise="mask_kmers" check="values"
# Only the drawn tokens are hidden. Their neighbours spell them out: spread each to k
# contiguous tokens.
def mask_kmers(token_ids, centers, k):
    return ops.logical_and(centers, ops.greater_equal(token_ids, 5))


# %% wrong="three_for_every_k" exercise="mask_kmers" check="values"
# Every centre spreads to three tokens whatever k is. A base stands in k tokens, and all k
# have to go.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, (-1, 0, 1))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="one_too_many_for_even_k" exercise="mask_kmers" check="values"
# For an even k the mask has k + 1 tokens: k // 2 to both sides. DNABERT's goes one step less
# to the left.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, range(-(k // 2), k // 2 + 1))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="longer_to_the_left" exercise="mask_kmers" check="values"
# For an even k the longer side is on the left. DNABERT's offsets are -1..2 for k = 4 and
# -2..3 for k = 6: longer to the right.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, range(-(k // 2), (k - 1) // 2 + 1))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="spread_to_the_right_only" exercise="mask_kmers" check="values"
# The mask starts at the centre and runs to the right. The centre is in the middle.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, range(k))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="spread_to_the_left_only" exercise="mask_kmers" check="values"
# The mask ends at the centre and runs to the left. The centre is in the middle.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, range(1 - k, 1))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="center_left_visible" exercise="mask_kmers" check="values"
# The centre itself stays visible. Offset 0 belongs to the mask.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, [o for o in _offsets(k) if o])
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="overlaps_cancel" exercise="mask_kmers" check="values"
# Where two spreads overlap they cancel each other. Join them with “or”: once or twice is both
# hidden.
def mask_kmers(token_ids, centers, k):
    count = sum(
        ops.cast(_spread(token_ids, centers, (offset,)), "int32")
        for offset in _offsets(k)
    )
    return ops.logical_and(ops.equal(count, 1), ops.greater_equal(token_ids, 5))


# %% wrong="one_mask_for_all_rows" exercise="mask_kmers" check="values"
# All rows of the batch get the same mask. Every row has its own centres.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    near = ops.logical_or(ops.any(near, axis=0, keepdims=True), near)
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="first_kmer_never_masked" exercise="mask_kmers" check="values"
# The first k-mer of the vocabulary, id 5, is taken for a special token. Special tokens are
# those below 5.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    return ops.logical_and(near, ops.greater(token_ids, 5))


# %% wrong="result_inverted" exercise="mask_kmers" check="values"
# The result is the wrong way round. True means: hide this token.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    hide = ops.logical_and(near, ops.greater_equal(token_ids, 5))
    return ops.logical_not(hide)


# %% wrong="special_tokens_masked" exercise="mask_kmers" check="special"
# Special tokens are hidden too. [CLS], [SEP], [PAD] and [UNK], all ids below 5, never are.
def mask_kmers(token_ids, centers, k):
    return _spread(token_ids, centers, _offsets(k))


# %% wrong="unknown_masked" exercise="mask_kmers" check="special"
# [UNK] is hidden although it is a special token too: there is nothing to guess.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    known = ops.logical_or(ops.greater_equal(token_ids, 5), ops.equal(token_ids, 1))
    return ops.logical_and(near, known)


# %% wrong="padding_masked" exercise="mask_kmers" check="special"
# [PAD] is hidden although nothing is there to guess. All ids below 5 are special.
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    known = ops.logical_or(ops.greater_equal(token_ids, 5), ops.equal(token_ids, 0))
    return ops.logical_and(near, known)


# %% wrong="wraps_around" exercise="mask_kmers" check="edges"
# What reaches past one end of the row comes back at the other, as `ops.roll` does. Shift by
# padding with False instead.
def mask_kmers(token_ids, centers, k):
    near = ops.zeros_like(token_ids, dtype="bool")
    for offset in _offsets(k):
        near = ops.logical_or(near, ops.roll(centers, offset, axis=1))
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))


# %% wrong="mask_of_integers" exercise="mask_kmers" check="traced"
# The mask is made of zeros and ones. A mask is boolean: compare, or cast it to "bool".
def mask_kmers(token_ids, centers, k):
    near = _spread(token_ids, centers, _offsets(k))
    hide = ops.logical_and(near, ops.greater_equal(token_ids, 5))
    return ops.cast(hide, "int32")


# %% wrong="mask_by_numpy" exercise="mask_kmers" check="traced"
# The mask is made with NumPy, one centre after the other. While a model is traced there are no
# numbers yet, and on a GPU it would be slow: shift the whole tensor instead.
def mask_kmers(token_ids, centers, k):
    ids, centers = ops.convert_to_numpy(token_ids), ops.convert_to_numpy(centers)
    hide = np.zeros(ids.shape, bool)
    for row, place in np.argwhere(centers):
        for offset in _offsets(k):
            if 0 <= place + offset < ids.shape[1]:
                hide[row, place + offset] = True
    return hide & (ids >= 5)


# %% right="split_by_zip" exercise="split_kmers"
def split_kmers(sequence, k):
    shifted = [sequence[i:] for i in range(k)]
    return ["".join(bases) for bases in zip(*shifted, strict=False)]


# %% right="split_by_appending" exercise="split_kmers"
def split_kmers(sequence: str, k: int) -> list[str]:
    kmers = []
    start = 0
    while start + k <= len(sequence):
        kmers.append(sequence[start : start + k])
        start += 1
    return kmers


# %% right="vocabulary_by_recursion" exercise="kmer_vocabulary"
def kmer_vocabulary(k):
    def kmers(n):
        return [""] if n == 0 else [a + b for a in kmers(n - 1) for b in "ATCG"]

    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmers(k)]


# %% right="vocabulary_by_digits" exercise="kmer_vocabulary"
def kmer_vocabulary(k):
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
    for number in range(4**k):
        digits = [(number >> 2 * (k - 1 - i)) & 3 for i in range(k)]
        tokens.append("".join("ATCG"[digit] for digit in digits))
    return tokens


# %% right="tokenizer_step_by_step" exercise="kmer_tokenizer"
class KmerTokenizer(_Kmers):
    pass


# %% right="tokenizer_with_keras_default_config" exercise="kmer_tokenizer"
class KmerTokenizer(keras.layers.Layer):
    def __init__(self, k, sequence_length, **kwargs):
        super().__init__(**kwargs)
        self.k, self.sequence_length = k, sequence_length

    def call(self, bases):
        room, k = self.sequence_length - 2, self.k
        bases = ops.pad(bases, ((0, 0), (0, room + k)), constant_values=-1)
        windows = ops.stack([bases[:, i : i + room] for i in range(k)], axis=-1)
        powers = ops.convert_to_tensor([4**i for i in reversed(range(k))], "int32")
        ids = ops.sum(windows * powers, axis=-1) + 5
        ids = ops.where(ops.max(windows, axis=-1) > 3, 1, ids)
        inside = ops.min(windows, axis=-1) > -1
        ids = ops.where(inside, ids, 0)
        ids = ops.pad(ids, ((0, 0), (1, 1)))
        count = ops.sum(ops.cast(inside, "int32"), axis=1, keepdims=True)
        place = ops.expand_dims(ops.arange(self.sequence_length), 0)
        ids = ops.where(ops.equal(place, count + 1), 3, ids)
        return ops.cast(ops.where(ops.equal(place, 0), 2, ids), "int32")

    def compute_mask(self, bases, mask=None):
        return ops.not_equal(self.call(bases), 0)


# %% right="tokenizer_by_gathering" exercise="kmer_tokenizer"
class KmerTokenizer(_Kmers):
    def digits(self, bases):
        places = np.arange(self.room)[:, None] + np.arange(self.k)
        windows = ops.take(bases, places.astype("int32"), axis=1)
        return ops.unstack(windows, axis=-1)


# %% right="tokenizer_by_concatenation" exercise="kmer_tokenizer"
class KmerTokenizer(_Kmers):
    def frame(self, ids, count):
        place = ops.arange(self.room + 1, dtype="int32")[None]
        front = ops.full_like(ids[:, :1], 2)
        rest = ops.concatenate([ids, ops.zeros_like(front)], axis=1)
        rest = ops.where(place == count, 3, ops.where(place < count, rest, 0))
        return ops.concatenate([front, rest], axis=1)


# %% right="mask_by_pooling" exercise="mask_kmers"
def mask_kmers(token_ids, centers, k):
    before, after = (k - 1) // 2, k // 2
    x = ops.cast(centers, "float32")[..., None]
    x = ops.pad(x, ((0, 0), (after, before), (0, 0)))
    near = ops.max_pool(x, k, strides=1, padding="valid")[..., 0] > 0
    return ops.logical_and(near, token_ids >= 5)


# %% right="mask_by_convolution" exercise="mask_kmers"
def mask_kmers(token_ids, centers, k):
    x = ops.pad(ops.cast(centers, "float32")[..., None], ((0, 0), (k // 2, k), (0, 0)))
    near = ops.conv(x, ops.ones((k, 1, 1)), padding="valid")[:, : centers.shape[1], 0]
    return (near > 0.5) & (token_ids > 4)


# %% right="mask_by_distance" exercise="mask_kmers"
def mask_kmers(token_ids, centers, k):
    place = np.arange(token_ids.shape[1])
    distance = place[None, :] - place[:, None]  # from centre (row) to token (column)
    near = (distance >= -((k - 1) // 2)) & (distance <= k // 2)
    hits = ops.matmul(ops.cast(centers, "float32"), near.astype("float32"))
    return ops.logical_and(hits > 0, token_ids >= 5)
