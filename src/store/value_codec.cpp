#include "store/value_codec.hpp"

#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_CCtx_refPrefix and dictionaries' parameters: exported, if not stable
#include <zstd.h>

#include <algorithm>

#include "store/dictionary.hpp"

namespace cloudless::store {
namespace {

// Below this a frame's own header eats what compression saves.
constexpr size_t kSmallestCompressed = 64;
// The fastest level that still finds the long matches which make JSON small: for a pod, nearly what level 1
// finds, in half its time.
constexpr int kLevel = -1;
// Of the table that finds words in the dictionary and in the value: small enough for a core's first cache,
// and objects lose next to nothing by it.
constexpr unsigned kHashLog = 11;
// A delta of at most value/kGoodDelta is taken without weighing it against a new base.
constexpr size_t kGoodDelta = 12;
// A sample of a value decides whether compressing is worth trying: of so many random bytes about 80 differ,
// in text rarely 50 do.
constexpr size_t kSample = 96;
constexpr size_t kMostDistinctInText = 64;
// A decoded value is at most this long: etcd's request limit can be raised, but not without end.
constexpr uint64_t kLongestValue = uint64_t{64} << 20;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
struct FreeCompressionDictionary {
  void operator()(ZSTD_CDict* dictionary) const { ZSTD_freeCDict(dictionary); }
};
struct FreeDecompressionDictionary {
  void operator()(ZSTD_DDict* dictionary) const { ZSTD_freeDDict(dictionary); }
};

ZSTD_CDict* make_dictionary() {
  const std::string_view words = dictionary_v1();
  ZSTD_compressionParameters parameters = ZSTD_getCParams(kLevel, 0, words.size());
  parameters.hashLog = kHashLog;
  return ZSTD_createCDict_advanced(words.data(), words.size(), ZSTD_dlm_byRef, ZSTD_dct_auto, parameters,
                                   ZSTD_defaultCMem);
}

bool looks_random(std::string_view value) {
  bool seen[256] = {};
  size_t distinct = 0;
  for (const char byte : value.substr(0, kSample)) {
    bool& known = seen[static_cast<uint8_t>(byte)];
    distinct += !known;
    known = true;
  }
  return distinct > kMostDistinctInText;
}

}  // namespace

struct ValueCodec::State {
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> plain{ZSTD_createCCtx()};
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> delta{ZSTD_createCCtx()};
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> plain_decoder{ZSTD_createDCtx()};
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> delta_decoder{ZSTD_createDCtx()};
  std::unique_ptr<ZSTD_CDict, FreeCompressionDictionary> dictionary{make_dictionary()};
  std::unique_ptr<ZSTD_DDict, FreeDecompressionDictionary> decoder_dictionary{
      ZSTD_createDDict_byReference(dictionary_v1().data(), dictionary_v1().size())};
  std::string plain_out;
  std::string delta_out;

  State() {
    for (ZSTD_CCtx* context : {plain.get(), delta.get()}) {
      // A record knows its value's size and has a checksum; a frame need not repeat them.
      ZSTD_CCtx_setParameter(context, ZSTD_c_format, ZSTD_f_zstd1_magicless);
      ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
      ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
      ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
      ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kLevel);
    }
    ZSTD_CCtx_refCDict(plain.get(), dictionary.get());
    for (ZSTD_DCtx* context : {plain_decoder.get(), delta_decoder.get()}) {
      ZSTD_DCtx_setParameter(context, ZSTD_d_format, ZSTD_f_zstd1_magicless);
      ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOWLOG_LIMIT_DEFAULT);
    }
    ZSTD_DCtx_refDDict(plain_decoder.get(), decoder_dictionary.get());
  }

  // The compressed value, or nothing where it is not smaller.
  static std::optional<std::string_view> compress(ZSTD_CCtx* context, std::string_view value,
                                                  std::string& out) {
    out.resize(std::max(out.size(), ZSTD_compressBound(value.size())));
    const size_t size = ZSTD_compress2(context, out.data(), out.size(), value.data(), value.size());
    if (ZSTD_isError(size) || size >= value.size()) return std::nullopt;
    return std::string_view(out.data(), size);
  }
  std::optional<std::string_view> compress_against(std::string_view base, std::string_view value) {
    ZSTD_CCtx_refPrefix(delta.get(), base.data(), base.size());
    return compress(delta.get(), value, delta_out);
  }
};

ValueCodec::ValueCodec() : state_(std::make_unique<State>()) {}
ValueCodec::~ValueCodec() = default;

ValueCodec::Encoded ValueCodec::encode(std::string_view value, std::optional<std::string_view> base) {
  const Encoded raw{Encoding::kRaw, value};
  if (value.size() < kSmallestCompressed || looks_random(value)) return raw;
  std::optional<std::string_view> delta;
  if (base && base->size() >= kSmallestCompressed) delta = state_->compress_against(*base, value);
  if (delta && delta->size() <= value.size() / kGoodDelta) return {Encoding::kDelta, *delta};
  const std::optional<std::string_view> full =
      state_->compress(state_->plain.get(), value, state_->plain_out);
  // A new base pays off over the updates that follow it, so it may cost twice the delta now.
  if (delta && delta->size() < (full ? full->size() : value.size()) / 2) return {Encoding::kDelta, *delta};
  if (full) return {Encoding::kCompressed, *full};
  return raw;
}

Result<std::string> ValueCodec::decode(Encoding encoding, std::string_view payload, uint64_t size,
                                       std::string_view base) {
  const auto damaged = [] { return fail(Code::kDataLoss, "a stored value does not decompress"); };
  if (encoding == Encoding::kRaw) {
    if (payload.size() != size) return damaged();
    return std::string(payload);
  }
  if (size > kLongestValue) return damaged();
  ZSTD_DCtx* context = nullptr;
  if (encoding == Encoding::kCompressed) {
    context = state_->plain_decoder.get();
  } else if (encoding == Encoding::kDelta) {
    context = state_->delta_decoder.get();
    ZSTD_DCtx_refPrefix(context, base.data(), base.size());
  } else {
    return damaged();
  }
  std::string value(size, '\0');
  const size_t decoded =
      ZSTD_decompressDCtx(context, value.data(), value.size(), payload.data(), payload.size());
  if (ZSTD_isError(decoded) || decoded != size) return damaged();
  return value;
}

}  // namespace cloudless::store
