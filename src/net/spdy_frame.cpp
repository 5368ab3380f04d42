#include "net/spdy_frame.hpp"

#include <zlib.h>

#include <array>

#include "base/strings.hpp"

namespace cloudless::net::spdy {

namespace {

constexpr uint16_t kVersion = 3;
constexpr size_t kFrameHeadBytes = 8;

uint32_t u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

void put_u32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

void put_text(std::string& out, std::string_view text) {
  put_u32(out, static_cast<uint32_t>(text.size()));
  out += text;
}

// Section 2.6.10.1: common names and values with their lengths before them, then fragments of values.
std::string make_dictionary() {
  constexpr std::array<std::string_view, 64> kNames = {"options",
                                                       "head",
                                                       "post",
                                                       "put",
                                                       "delete",
                                                       "trace",
                                                       "accept",
                                                       "accept-charset",
                                                       "accept-encoding",
                                                       "accept-language",
                                                       "accept-ranges",
                                                       "age",
                                                       "allow",
                                                       "authorization",
                                                       "cache-control",
                                                       "connection",
                                                       "content-base",
                                                       "content-encoding",
                                                       "content-language",
                                                       "content-length",
                                                       "content-location",
                                                       "content-md5",
                                                       "content-range",
                                                       "content-type",
                                                       "date",
                                                       "etag",
                                                       "expect",
                                                       "expires",
                                                       "from",
                                                       "host",
                                                       "if-match",
                                                       "if-modified-since",
                                                       "if-none-match",
                                                       "if-range",
                                                       "if-unmodified-since",
                                                       "last-modified",
                                                       "location",
                                                       "max-forwards",
                                                       "pragma",
                                                       "proxy-authenticate",
                                                       "proxy-authorization",
                                                       "range",
                                                       "referer",
                                                       "retry-after",
                                                       "server",
                                                       "te",
                                                       "trailer",
                                                       "transfer-encoding",
                                                       "upgrade",
                                                       "user-agent",
                                                       "vary",
                                                       "via",
                                                       "warning",
                                                       "www-authenticate",
                                                       "method",
                                                       "get",
                                                       "status",
                                                       "200 OK",
                                                       "version",
                                                       "HTTP/1.1",
                                                       "url",
                                                       "public",
                                                       "set-cookie",
                                                       "keep-alive"};
  std::string dictionary;
  for (const std::string_view name : kNames) put_text(dictionary, name);
  put_text(dictionary, "origin");
  dictionary +=
      "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
      "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
      "Forbidden404 "
      "Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun "
      "Jul Aug "
      "Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, "
      "GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/"
      "plain,text/"
      "javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
  return dictionary;
}

const std::string& dictionary() {
  static const std::string text = make_dictionary();
  return text;
}

Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

Result<std::string_view> take_text(std::string_view& block) {
  if (block.size() < 4 || block.size() - 4 < u32(block, 0))
    return fail(Code::kInvalid, "spdy: malformed header block");
  const uint32_t size = u32(block, 0);
  const std::string_view text = block.substr(4, size);
  block.remove_prefix(4 + size);
  return text;
}

Result<Headers> parse_headers(std::string_view block) {
  if (block.size() < 4) return fail(Code::kInvalid, "spdy: malformed header block");
  Headers headers;
  uint32_t count = u32(block, 0);
  block.remove_prefix(4);
  for (; count > 0; --count) {
    const std::string_view name = TRY(take_text(block));
    const std::string_view values = TRY(take_text(block));
    for (const std::string_view value : split(values, '\0')) headers.add(to_lower(name), std::string(value));
  }
  return headers;
}

bool has_headers(Type type) {
  return type == Type::kSynStream || type == Type::kSynReply || type == Type::kHeaders;
}

}  // namespace

Codec::Codec() : inflater_(std::make_unique<z_stream>()), deflater_(std::make_unique<z_stream>()) {
  inflateInit(inflater_.get());
  deflateInit(deflater_.get(), Z_BEST_COMPRESSION);
  deflateSetDictionary(deflater_.get(), bytes_of(dictionary()), static_cast<uInt>(dictionary().size()));
}

Codec::~Codec() {
  inflateEnd(inflater_.get());
  deflateEnd(deflater_.get());
}

Result<std::optional<Codec::Parsed>> Codec::parse(std::string_view bytes) {
  if (bytes.size() < kFrameHeadBytes) return std::optional<Parsed>();
  const uint32_t first = u32(bytes, 0);
  const uint32_t second = u32(bytes, 4);
  const size_t length = second & 0xffffff;
  const auto flags = static_cast<uint8_t>(second >> 24);
  if (length > kFrameBytes) return fail(Code::kResourceExhausted, "spdy: a frame of {} bytes", length);
  if (bytes.size() < kFrameHeadBytes + length) return std::optional<Parsed>();
  const std::string_view payload = bytes.substr(kFrameHeadBytes, length);
  Parsed parsed;
  parsed.consumed = kFrameHeadBytes + length;
  if ((first & 0x80000000) == 0) {
    parsed.frame = Frame{Type::kData, first, flags, 0, {}, std::string(payload)};
  } else {
    if ((first >> 16 & 0x7fff) != kVersion) return fail(Code::kInvalid, "spdy: unsupported version");
    parsed.frame = TRY(parse_control(static_cast<uint16_t>(first), flags, payload));
  }
  return std::optional(std::move(parsed));
}

Result<std::optional<Frame>> Codec::parse_control(uint16_t type, uint8_t flags, std::string_view payload) {
  // What is not known or of no use here (settings, windows) is passed over, as the draft wants.
  size_t fixed = 0;
  switch (static_cast<Type>(type)) {
    case Type::kSynStream:
      fixed = 10;
      break;
    case Type::kRstStream:
    case Type::kGoAway:
      fixed = 8;
      break;
    case Type::kSynReply:
    case Type::kHeaders:
    case Type::kPing:
      fixed = 4;
      break;
    default:
      return std::optional<Frame>();
  }
  if (payload.size() < fixed) return fail(Code::kInvalid, "spdy: malformed control frame");
  Frame frame;
  frame.type = static_cast<Type>(type);
  frame.flags = flags;
  frame.stream = frame.type == Type::kPing ? u32(payload, 0) : u32(payload, 0) & 0x7fffffff;
  if (frame.type == Type::kRstStream) frame.status = u32(payload, 4);
  if (has_headers(frame.type)) frame.headers = TRY(decompress(payload.substr(fixed)));
  return std::optional(std::move(frame));
}

std::string Codec::write(const Frame& frame) {
  std::string payload;
  if (frame.type == Type::kData) {
    payload = frame.data;
  } else {
    put_u32(payload, frame.type == Type::kGoAway ? 0 : frame.stream);
    if (frame.type == Type::kSynStream) payload.append(6, '\0');  // no associated stream, priority 0, slot 0
    if (frame.type == Type::kRstStream || frame.type == Type::kGoAway) put_u32(payload, frame.status);
    if (has_headers(frame.type)) payload += compress(frame.headers);
  }
  std::string out;
  out.reserve(kFrameHeadBytes + payload.size());
  put_u32(out, frame.type == Type::kData
                   ? frame.stream
                   : 0x80000000 | uint32_t{kVersion} << 16 | static_cast<uint32_t>(frame.type));
  put_u32(out, static_cast<uint32_t>(frame.flags) << 24 | static_cast<uint32_t>(payload.size()));
  return out += payload;
}

Result<Headers> Codec::decompress(std::string_view block) {
  std::string plain;
  z_stream& z = *inflater_;
  z.next_in = bytes_of(block);
  z.avail_in = static_cast<uInt>(block.size());
  std::array<char, 4096> part;
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(part.data());
    z.avail_out = part.size();
    int status = inflate(&z, Z_SYNC_FLUSH);
    if (status == Z_NEED_DICT) {
      status = inflateSetDictionary(&z, bytes_of(dictionary()), static_cast<uInt>(dictionary().size()));
      if (status == Z_OK) continue;
    }
    // Z_BUF_ERROR: nothing was left to do.
    if (status != Z_OK && status != Z_BUF_ERROR) return fail(Code::kInvalid, "spdy: corrupt header block");
    plain.append(part.data(), part.size() - z.avail_out);
    if (plain.size() > kHeaderBytes) return fail(Code::kResourceExhausted, "spdy: header block too long");
    if (z.avail_out > 0) break;
  }
  return parse_headers(plain);
}

std::string Codec::compress(const Headers& headers) {
  std::string plain;
  put_u32(plain, static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    put_text(plain, to_lower(name));
    put_text(plain, value);
  }
  std::string out;
  z_stream& z = *deflater_;
  z.next_in = bytes_of(plain);
  z.avail_in = static_cast<uInt>(plain.size());
  std::array<char, 4096> part;
  do {
    z.next_out = reinterpret_cast<Bytef*>(part.data());
    z.avail_out = part.size();
    deflate(&z, Z_SYNC_FLUSH);
    out.append(part.data(), part.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

}  // namespace cloudless::net::spdy
