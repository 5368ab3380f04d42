#include "base/random.hpp"

#include <sys/random.h>

#include <cassert>
#include <cstring>

#include "base/encoding.hpp"

namespace cloudless {

uint64_t Random::below(uint64_t bound) {
  assert(bound > 0);
  // Draws from the incomplete last block are thrown away, so that every value is equally likely.
  const uint64_t reject_below = (0 - bound) % bound;
  uint64_t drawn = next();
  while (drawn < reject_below) drawn = next();
  return drawn % bound;
}

double Random::fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::string Random::bytes(size_t count) {
  std::string out(count, '\0');
  for (size_t at = 0; at < count; at += sizeof(uint64_t)) {
    const uint64_t word = next();
    std::memcpy(out.data() + at, &word, std::min(sizeof word, count - at));
  }
  return out;
}

std::string Random::text(size_t count, std::string_view alphabet) {
  std::string out(count, '\0');
  for (char& c : out) c = alphabet[below(alphabet.size())];
  return out;
}

std::string Random::uuid() {
  std::string raw = bytes(16);
  raw[6] = static_cast<char>((raw[6] & 0x0f) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3f) | 0x80);
  std::string text = hex_encode(raw);
  for (size_t at : {20, 16, 12, 8}) text.insert(at, "-");
  return text;
}

uint64_t SystemRandom::next() {
  uint64_t word = 0;
  // getrandom of up to 256 bytes neither fails nor comes up short once the kernel's generator is seeded
  // (getrandom(2)).
  [[maybe_unused]] const ssize_t got = getrandom(&word, sizeof word, 0);
  assert(got == sizeof word);
  return word;
}

}  // namespace cloudless
