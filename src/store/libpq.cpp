#include "store/libpq.hpp"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

namespace cloudless::store {

namespace {

// Never taken back, as the library is never unloaded.
std::atomic<const Libpq*> loaded{nullptr};

std::unexpected<Error> unusable(std::string_view why) {
  return fail(Code::kNotFound,
              "etcdserver: PostgreSQL's client library cannot be loaded: {}: install the package libpq5",
              why);
}

}  // namespace

Result<Libpq> open_libpq(const char* file) {
  void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) return unusable(::dlerror());
  Libpq functions;
#define X(name)                                                                  \
  functions.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (!functions.name) {                                                         \
    ::dlclose(library);                                                          \
    return unusable(fmt::format("{} has no {}", file, #name));                   \
  }
  CLOUDLESS_LIBPQ_FUNCTIONS(X)
#undef X
  return functions;
}

Result<> load_libpq() {
  static std::mutex mutex;
  if (loaded) return {};
  const std::lock_guard lock(mutex);
  if (!loaded) loaded = new Libpq(TRY(open_libpq(kLibpqFile)));
  return {};
}

const Libpq& libpq() { return *loaded; }

}  // namespace cloudless::store
