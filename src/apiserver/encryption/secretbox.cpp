// NaCl's secretbox (https://cr.yp.to/highspeed/naclcrypto-20090310.pdf, section 9-10): the stream of
// XSalsa20, whose first 32 bytes are the key of a Poly1305 tag over the ciphertext. OpenSSL has Poly1305 but
// no Salsa20.
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <bit>
#include <cstdint>

#include "apiserver/encryption/cipher.hpp"
#include "apiserver/encryption/openssl.hpp"

namespace cloudless::apiserver::encryption::secretbox {

namespace {

constexpr size_t kNonceBytes = 24;
constexpr size_t kTagBytes = 16;
constexpr size_t kTagKeyBytes = 32;
constexpr size_t kBlockBytes = 64;
constexpr size_t kDoubleRounds = 10;

using Words = std::array<uint32_t, 16>;

uint32_t load(std::string_view text, size_t word) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value |= static_cast<uint32_t>(static_cast<unsigned char>(text[4 * word + i])) << (8 * i);
  return value;
}

void store(uint32_t value, std::string& out) {
  for (size_t i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

// Key and a 16-byte input between the constants of "expand 32-byte k".
Words start(std::string_view key, std::string_view input) {
  constexpr std::string_view kConstant = "expand 32-byte k";
  return {load(kConstant, 0), load(key, 0),       load(key, 1),       load(key, 2),
          load(key, 3),       load(kConstant, 1), load(input, 0),     load(input, 1),
          load(input, 2),     load(input, 3),     load(kConstant, 2), load(key, 4),
          load(key, 5),       load(key, 6),       load(key, 7),       load(kConstant, 3)};
}

void quarter(Words& x, size_t a, size_t b, size_t c, size_t d) {
  x[b] ^= std::rotl(x[a] + x[d], 7);
  x[c] ^= std::rotl(x[b] + x[a], 9);
  x[d] ^= std::rotl(x[c] + x[b], 13);
  x[a] ^= std::rotl(x[d] + x[c], 18);
}

Words scramble(Words x) {
  for (size_t round = 0; round < kDoubleRounds; ++round) {
    for (size_t i = 0; i < 4; ++i)  // down the columns, each from its diagonal on
      quarter(x, 5 * i, (5 * i + 4) % 16, (5 * i + 8) % 16, (5 * i + 12) % 16);
    for (size_t i = 0; i < 4; ++i)  // along the rows
      quarter(x, 5 * i, 4 * i + (i + 1) % 4, 4 * i + (i + 2) % 4, 4 * i + (i + 3) % 4);
  }
  return x;
}

// HSalsa20: the key of the stream, from the first 16 bytes of the nonce.
std::string stream_key(std::string_view secret, std::string_view nonce) {
  const Words x = scramble(start(secret, nonce));
  std::string key;
  for (const size_t word : {0, 5, 10, 15, 6, 7, 8, 9}) store(x[word], key);
  return key;
}

// XSalsa20's stream, `size` bytes of it.
std::string stream(std::string_view secret, std::string_view nonce, size_t size) {
  const std::string key = stream_key(secret, nonce.substr(0, 16));
  std::string out;
  out.reserve(size + kBlockBytes);
  for (uint64_t counter = 0; out.size() < size; ++counter) {
    std::string input(nonce.substr(16));
    store(static_cast<uint32_t>(counter), input);
    store(static_cast<uint32_t>(counter >> 32), input);
    const Words before = start(key, input);
    const Words after = scramble(before);
    for (size_t i = 0; i < before.size(); ++i) store(before[i] + after[i], out);
  }
  out.resize(size);
  return out;
}

Result<std::string> poly1305(std::string_view key, std::string_view text) {
  std::string tag(kTagBytes, '\0');
  size_t written = 0;
  const bool good = EVP_Q_mac(nullptr, "POLY1305", nullptr, nullptr, nullptr, key.data(), key.size(),
                              bytes(text), text.size(), bytes(tag, 0), tag.size(), &written) != nullptr;
  if (!good || written != kTagBytes) return fail(Code::kInternal, "a value could not be authenticated");
  return tag;
}

std::string mix(std::string_view text, std::string_view with) {
  std::string out(text);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ with[i]);
  return out;
}

}  // namespace

Result<std::string> seal_with(std::string_view secret, std::string_view nonce, std::string_view plain) {
  const std::string pad = stream(secret, nonce, kTagKeyBytes + plain.size());
  const std::string body = mix(plain, std::string_view(pad).substr(kTagKeyBytes));
  const std::string tag = TRY(poly1305(std::string_view(pad).substr(0, kTagKeyBytes), body));
  return std::string(nonce) + tag + body;
}

Result<std::string> seal(std::string_view secret, std::string_view plain) {
  std::string nonce(kNonceBytes, '\0');
  if (RAND_bytes(bytes(nonce, 0), length(nonce)) != 1)
    return fail(Code::kInternal, "a value could not be encrypted");
  return seal_with(secret, nonce, plain);
}

Result<std::string> open_sealed(std::string_view secret, std::string_view sealed) {
  if (sealed.size() < kNonceBytes + kTagBytes)
    return fail(Code::kDataLoss, "the stored data was shorter than the required size");
  const std::string_view body = sealed.substr(kNonceBytes + kTagBytes);
  const std::string pad = stream(secret, sealed.substr(0, kNonceBytes), kTagKeyBytes + body.size());
  const std::string tag = TRY(poly1305(std::string_view(pad).substr(0, kTagKeyBytes), body));
  if (CRYPTO_memcmp(tag.data(), sealed.data() + kNonceBytes, kTagBytes) != 0)
    return fail(Code::kDataLoss, "NaCl secretbox: message authentication failed");
  return mix(body, std::string_view(pad).substr(kTagKeyBytes));
}

}  // namespace cloudless::apiserver::encryption::secretbox
