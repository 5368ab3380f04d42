// Resource records: types, and their data between presentation form and wire form (RFC 1035, 1183, 2782,
// 3403, 3596, 4034, 4255, 6672, 6698, 8659, 9460, and RFC 3597 for types without a form of their own).
//
// Rdata is kept uncompressed, as it is compared and stored; the message writer compresses the names of those
// types that RFC 3597 section 4 allows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/name.hpp"

namespace cloudless::dns {

/// Open: any 16-bit number is a type.
enum class Type : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kHinfo = 13,
  kMx = 15,
  kTxt = 16,
  kRp = 17,
  kAfsdb = 18,
  kAaaa = 28,
  kLoc = 29,
  kSrv = 33,
  kNaptr = 35,
  kDname = 39,
  kOpt = 41,
  kDs = 43,
  kSshfp = 44,
  kTlsa = 52,
  kOpenpgpkey = 61,
  kSvcb = 64,
  kHttps = 65,
  kSpf = 99,
  kIxfr = 251,
  kAxfr = 252,
  kAny = 255,
  kCaa = 257,
};

inline constexpr uint16_t kClassIn = 1;

/// "A", "HTTPS", or "TYPE1234".
std::string to_text(Type type);
/// From its name or "TYPE1234", without case.
Result<Type> parse_type(std::string_view text);

/// What one rdata field holds; a type is a sequence of fields.
enum class FieldKind : uint8_t {
  kCompressibleName,
  kName,
  kIpv4,
  kIpv6,
  kU8,
  kU16,
  kU32,
  kTime,           // a TTL-like number of 32 bits: "1h"
  kTypeNumber,     // a type's name as 16 bits
  kString,         // a character-string: length byte and bytes
  kStrings,        // one or more character-strings, to the end
  kTag,            // a character-string of letters and digits
  kRawString,      // the bytes of a character-string without a length, to the end
  kHex,            // hexadecimal to the end
  kBase64,         // base64 to the end
  kServiceParams,  // SvcParams of RFC 9460, to the end
};

/// The fields of a type in order; empty for a type that only RFC 3597's form can write.
const std::vector<FieldKind>& fields_of(Type type);

/// A word of a zone file or of an rdata text: its bytes with escapes kept, and whether it stood in quotes.
struct Word {
  std::string text;
  bool quoted = false;
};

/// Wire form from the words after the type. Relative names are under `origin`.
Result<std::string> parse_rdata(Type type, const std::vector<Word>& words, const Name& origin);
/// The same from one string, split at blanks with quotes honoured: "10 mail.example.org.".
Result<std::string> parse_rdata(Type type, std::string_view text, const Name& origin);
/// Presentation form, names absolute.
std::string rdata_to_text(Type type, std::string_view rdata);

/// Seconds from "3600", "1h30m", "2w": BIND's TTL text. At most 2^31 - 1 (RFC 2181 section 8).
Result<uint32_t> parse_ttl(std::string_view text);

/// Splits at blanks, honouring quotes and escapes.
Result<std::vector<Word>> split_words(std::string_view text);

/// The four or sixteen bytes of an address in text.
Result<std::string> parse_ipv4(std::string_view text);
Result<std::string> parse_ipv6(std::string_view text);

}  // namespace cloudless::dns
