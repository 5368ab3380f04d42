// Random: where chance comes from. The system's is fit for keys and tokens; the seeded one replays, for
// simulation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace cloudless {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;

  /// A number in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  /// A number in [0, 1).
  double fraction();
  std::string bytes(size_t count);
  /// Characters drawn evenly from `alphabet`.
  std::string text(size_t count, std::string_view alphabet);
  /// A random (version 4) UUID, RFC 9562.
  std::string uuid();
};

/// The kernel's generator. Safe to use from several threads.
class SystemRandom final : public Random {
 public:
  uint64_t next() override;
};

/// The same sequence for the same seed. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

/// The alphabet of generated names: no vowels and no look-alikes (k8s.io/apimachinery util/rand).
inline constexpr std::string_view kNameAlphabet = "bcdfghjklmnpqrstvwxz2456789";

}  // namespace cloudless
